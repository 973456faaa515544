"""Turn recorded trials into tables, figures and HTML pages; never import torch."""
