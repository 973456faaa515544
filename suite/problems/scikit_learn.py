"""Read the tables in scikit-learn's package without `import sklearn.datasets`, which would take seconds."""

from __future__ import annotations

import hashlib
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.errors import UserError

if TYPE_CHECKING:
    import numpy as np

FOLDER = "sklearn/datasets/data"


def read_rows(
    name: str, sha256: str, dtype: str = "float64", delimiter: str | None = None
) -> np.ndarray[Any, np.dtype[Any]]:
    """Return the rows of a packed text file in scikit-learn's folder of data sets as a two-dimensional array.

    Args:
        name: The name of the file without its `.gz`.
        sha256: The digest of the array of bytes.
        dtype: NumPy's type of the values.
        delimiter: What separates values; white space by default.

    Raises:
        UserError: The file is unreadable or has another digest.
    """
    import numpy as np

    path = Path(str(distribution("scikit-learn").locate_file(f"{FOLDER}/{name}.gz")))
    try:
        rows = np.loadtxt(path, dtype=dtype, delimiter=delimiter, ndmin=2)
    except (OSError, ValueError) as error:
        reason = str(error).rstrip(".")
        raise UserError(str(path), f"cannot read the data: {reason}", "Install scikit-learn again") from error
    digest = hashlib.sha256(rows.tobytes()).hexdigest()
    if digest != sha256:
        raise UserError(str(path), f"expected SHA-256 {sha256}, got {digest}", "Install scikit-learn again")
    return rows
