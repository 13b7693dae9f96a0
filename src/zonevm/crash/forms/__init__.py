"""The forms of a report: text, JSON, JUnit XML, a page. What a guest said is in them, and does no harm."""

from zonevm.crash.forms.facts import facts
from zonevm.crash.forms.files import write
from zonevm.crash.forms.junit import junit
from zonevm.crash.forms.page import html
from zonevm.crash.forms.text import text

__all__ = ["facts", "html", "junit", "text", "write"]
