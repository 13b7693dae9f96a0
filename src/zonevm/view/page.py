"""A page as one HTML file, which needs nothing else: no script, no font, nothing to be loaded."""

from __future__ import annotations

from collections.abc import Iterable

_STYLE = """
:root { color-scheme: light dark; --ink: #111827; --faint: #6b7280; --paper: #ffffff; --bed: #e5e7eb;
  --code: #f3f4f6; --passed: #16a34a; --failed: #b91c1c }
@media (prefers-color-scheme: dark) { :root { --ink: #f3f4f6; --faint: #9ca3af; --paper: #111827;
  --bed: #374151; --code: #1f2937; --passed: #22c55e; --failed: #ef4444 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1100px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 24px } h2 { font-size: 18px; margin-top: 2em } h3 { font-size: 15px }
svg { max-width: 100%; height: auto }
a { color: inherit }
pre { background: var(--code); padding: .6em .8em; border-radius: 4px; max-height: 24em; overflow: auto;
  white-space: pre-wrap; overflow-wrap: anywhere }
table { border-collapse: collapse }
th, td { text-align: left; padding: .2em 1em .2em 0; border-bottom: 1px solid var(--bed);
  overflow-wrap: anywhere }
.number { text-align: right }
.faint { color: var(--faint) }"""
_FORBID = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, heading: str, body: Iterable[str], style: str = "") -> str:
    """Return an HTML document, which is well-formed XML too.

    ``title``, ``heading`` and ``body`` are HTML already. ``style`` is added to the style sheet, whose colours
    are variables: ``--ink``, ``--faint``, ``--paper``, ``--bed``, ``--code``, ``--passed``, ``--failed``.
    """
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en" xmlns="http://www.w3.org/1999/xhtml">',
            '<head><meta charset="utf-8"/>',
            f'<meta http-equiv="Content-Security-Policy" content="{_FORBID}"/>',
            '<meta name="viewport" content="width=device-width"/>',
            f"<title>{title}</title>",
            f"<style>{_STYLE}{style}\n</style></head>",
            f"<body><h1>{heading}</h1>",
            *body,
            "</body></html>\n",
        )
    )
