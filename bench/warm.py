"""A program that spends its start on imports, for row 14. Each run says one line."""

import importlib
import os
import pkgutil
import sys
import warnings

sys.path.insert(0, os.environ["LINX_BENCH_PREFORK"])

import linx_prefork  # noqa: E402

# Packages of the standard library, with all that is in them. Not every version has each.
PACKAGES = """
    asyncio concurrent.futures ctypes distutils email email.mime encodings html http json
    lib2to3 lib2to3.fixes logging multiprocessing pydoc_data sqlite3 unittest urllib wsgiref
    xml.dom xml.etree xml.sax xmlrpc
"""


def prepare():
    warnings.simplefilter("ignore")
    for package in PACKAGES.split():
        try:
            modules = importlib.import_module(package).__path__
        except ImportError:
            continue
        for _, name, _ in pkgutil.iter_modules(modules, package + "."):
            if not name.endswith("__main__"):
                try:
                    importlib.import_module(name)
                except ImportError:
                    pass  # for another system


prepare()
linx_prefork.initialisation_complete(max_servers=16)
print("warm", flush=True)
# Python would take all modules down again, one by one: most of what a warm run lasts.
os._exit(0)
