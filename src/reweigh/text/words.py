"""Text into words, in any script."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u3005-\u3007\u3031-\u3035\u303b"  # iteration marks and the zero of Han
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001afff\U0001b000-\U0001b16f"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
"""Scripts that put no blank between words: each character, with the marks on it, is a segment. Hangul has blanks."""
JOINERS = dict.fromkeys((0x00AD, 0x200C, 0x200D, 0x2060, 0xFEFF))
"""Soft hyphens and joiners that stand inside words and are not seen; left out."""
ASCII = re.compile("[a-z0-9]+")
LAST_MARK = 0x1FFFF


def words(text: str) -> list[str]:
    """The words of a text, in order: Unicode segments of letters, marks and digits, case folded, in NFC.

    Scripts written without blanks (Han, kana, Thai, Lao, Khmer, Myanmar) give single characters. An apostrophe and an
    underscore part words ("women's" holds "women"). Segments of digits only are dropped: years, sizes, file numbers.
    """
    if text.isascii():  # most texts of the web: the same result, several times as fast
        return [word for word in ASCII.findall(text.lower()) if not word.isdigit()]
    # case folding may leave an order of marks that is not canonical (Unicode, D145): NFD before, NFC after
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text.translate(JOINERS)).casefold())
    return [word for word in _segments().findall(folded) if not _is_number(word)]


def _is_number(word: str) -> bool:
    return all(letter.isdigit() or unicodedata.category(letter)[0] == "M" for letter in word)


@cache
def _segments() -> re.Pattern[str]:
    """Python's \\w knows no combining marks: it would cut words of Indic and Arabic script at every vowel sign."""
    marks = _ranges([code for code in range(LAST_MARK + 1) if unicodedata.category(chr(code))[0] == "M"])
    letter = rf"[^\W_{UNSPACED}]"
    return re.compile(rf"[{UNSPACED}](?<=[^\W_])[{marks}]*|{letter}(?:{letter}|[{marks}])*")


def _ranges(codes: list[int]) -> str:
    """Ascending code points as ranges of a character class."""
    starts = [code for code, before in zip(codes, [-2, *codes], strict=False) if code != before + 1]
    ends = [code for code, after in zip(codes, [*codes[1:], -2], strict=True) if code != after - 1]
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in zip(starts, ends, strict=True))
