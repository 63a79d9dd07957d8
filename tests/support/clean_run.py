"""Run scripts one after the other, as a program of an environment that has nothing of this project.

Prints a line of JSON for each: its path, its exit code, what it printed; the traceback for a script that
ended in an exception.
"""

import contextlib
import io
import json
import runpy
import sys
import traceback

for path in sys.argv[1:]:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            runpy.run_path(path, run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        code = traceback.format_exc()
    print(json.dumps([path, code, printed.getvalue()]), flush=True)
