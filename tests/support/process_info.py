"""What runs on this machine and where it listens, from /proc."""

from pathlib import Path


def family(session):
    """The live processes of a session: pid and command line."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except (OSError, ValueError, IndexError):
            continue
    return found


def listening(pid):
    """The addresses that a process listens at."""
    sockets = set()
    for each in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            sockets.add(each.readlink().name)
        except OSError:
            continue
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                address = bytes.fromhex(fields[1].partition(":")[0][-8:])[::-1]
                yield ".".join(map(str, address))
