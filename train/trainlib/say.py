"""How the tools speak: one clear sentence for what went wrong, a bar for what takes long."""

import errno
import sys
from contextlib import contextmanager


class Refusal(Exception):
    """Something the user can put right. Its text is one sentence that says what and how."""


def main_guard(run, argv):
    """Runs a tool's body; returns its exit code. The user's mistakes and a full disk give a sentence, not a traceback."""
    try:
        run(argv)
        return 0
    except Refusal as e:
        print(f"error: {e}", file=sys.stderr)
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            print(f"error: no room to write {_named(e)}: {e.strerror}; free some space and run the same command again.",
                  file=sys.stderr)
        else:
            print(f"error: {_named(e)}: {e.strerror or e}.", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: interrupted; run the same command again to go on.", file=sys.stderr)
        return 130
    return 2


def _named(error):
    return printable(error.filename) if error.filename else "a file"


def printable(name):
    """A file name for a message: bytes that are no UTF-8 are shown as escapes."""
    if isinstance(name, bytes):
        name = name.decode("utf-8", "surrogateescape")
    return str(name).encode("utf-8", "backslashreplace").decode()


@contextmanager
def bar(total, title, unit):
    """Yields a function that takes the count done so far."""
    from tqdm import tqdm

    with tqdm(total=total, desc=title, unit=unit, file=sys.stderr, dynamic_ncols=True, mininterval=0.5,
              disable=None if sys.stderr.isatty() else False, miniters=0 if sys.stderr.isatty() else max(1, total // 10)) as t:
        yield lambda done: t.update(done - t.n)
