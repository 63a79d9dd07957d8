"""Standalone scripts that show a difference with NumPy and one framework, and nothing of this project.

``subject.py`` and ``layers.py`` say what a script is about, ``facts.py`` which options the case has;
``literals.py`` and ``data.py`` write its arrays down; and the templates are the script: the equations, the
framework's own call, the table.
"""

from evidence.reproducer.render import script

__all__ = ["script"]
