"""Bytes of an unknown file: is it text, and in which encoding? Knows no shape and no record.

Order of belief: byte-order mark, UTF-16 or UTF-32 without one, strict UTF-8, then charset-normalizer on a sample.
What is returned has decoded the whole file once, so that reading it later cannot fail half-way.
"""

from __future__ import annotations

import codecs
import io
from pathlib import Path

from studio.data.readers.base import FileReason
from studio.errors import DataError

__all__ = ["SAMPLE_BYTES", "detect_encoding", "encoding_of"]

SAMPLE_BYTES = 256 * 1024
_GUESS_BYTES = 32 * 1024  # charset-normalizer tries some ninety encodings, and its time grows with the sample
_CHUNK_BYTES = 1024 * 1024

#: Found by decoding the whole file, which need not be done again.
_TRIED = frozenset({"data.file.encoding_utf8", "data.file.encoding_gbk"})

# Longest first: the mark of UTF-32-LE begins with that of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")

# Source: the file(1) magic database. Words that need no translation.
_MAGIC = (
    (b"PK\x03\x04", "ZIP"),
    (b"PK\x05\x06", "ZIP"),
    (b"%PDF", "PDF"),
    (b"\x1f\x8b", "gzip"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"GGUF", "GGUF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BZh", "bzip2"),
    (b"FEA1", "Feather 1"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf", "7z"),
    (b"Rar!\x1a", "RAR"),
    (b"\x93NUMPY", "NumPy"),
    (b"SQLite format 3\0", "SQLite"),
    (b"\xd0\xcf\x11\xe0", "XLS / DOC (OLE)"),
    (b"\x7fELF", "ELF"),
    *((b"\x80" + bytes([protocol]), "pickle") for protocol in range(2, 6)),
)
# Not among them: tab, line ends, form feed, and the escape with which some Asian encodings switch alphabets.
_CONTROLS = tuple(bytes([code]) for code in (*range(1, 8), *range(14, 27)))

# What lies inside a ZIP says more than that it is one.
_ZIPPED = ((b"xl/", "XLSX (Excel)"), (b"word/", "DOCX (Word)"), (b"data.pkl", "PyTorch"))


def detect_encoding(path: Path, name: str) -> str:
    """The codec that decodes the whole file; a byte-order mark is dropped by the codec itself.

    Raises DataError: `empty_file`, `binary_file` (with what it seems to be), `encoding` (with the encoding that came
    closest and the line where it fails).
    """
    return encoding_of(path, name)[0]


def encoding_of(path: Path, name: str, wanted: str | None = None) -> tuple[str, FileReason]:
    """`detect_encoding` with the signs that point to the result. `wanted` is what a person has chosen: then it is only tried."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    if not sample:
        raise DataError("error.data.empty_file", field="file", name=name)
    mark = next((encoding for mark, encoding in _MARKS if sample.startswith(mark)), None)
    if mark is None and (found := _binary_kind(sample)):
        raise DataError("error.data.binary_file", field="file", name=name, what=found)
    if wanted:
        encoding, reason = wanted, FileReason("data.file.encoding_chosen", {"encoding": wanted})
    elif mark:
        encoding, reason = mark, FileReason("data.file.encoding_mark", {"encoding": mark.removesuffix("-sig").upper()})
    elif wide := _wide(sample):
        encoding, reason = wide, FileReason("data.file.encoding_guess", {"encoding": wide.upper()})
    else:
        encoding, reason = _plain(path, sample, name)
    if reason.key not in _TRIED and (line := _broken_line(path, encoding)) is not None:
        raise DataError("error.data.encoding", field="file", name=name, encoding=encoding, line=line)
    return encoding, reason


def _binary_kind(sample: bytes) -> str | None:
    kind = next((kind for magic, kind in _MAGIC if sample.startswith(magic)), None)
    if kind == "ZIP":
        return next((inner for mark, inner in _ZIPPED if mark in sample), kind)
    if kind:
        return kind
    if sample[257:262] == b"ustar":
        return "TAR"
    if sample[8:10] == b'{"' and sample[6:8] == b"\0\0":
        return "safetensors"
    if b"\0" in sample and _wide(sample) is None:
        return "NUL bytes"
    if b"\0" not in sample and sum(map(sample.count, _CONTROLS)) * 20 > len(sample):
        return "control bytes"
    return None


def _wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, or None.

    Decidable only where some ASCII is: commas, quotes, line ends. In the wrong byte order these become rare signs
    (`,` is U+2C00), so the right order is the one whose text is free of control characters and holds the most ASCII.
    """
    n_nul = sample.count(0)
    if n_nul == 0 or (n_nul * 4 < len(sample) and _decoded(sample, "utf-8") is not None):
        return None  # UTF-8 with a stray NUL is no UTF-16: that is half NULs, or no valid UTF-8
    best, best_share = None, 0.005
    for encoding in _WIDE:
        text = _decoded(sample, encoding)
        if not text or any(sign < " " and sign not in "\t\r\n" for sign in text):
            continue
        share = sum(sign < "\x7f" for sign in text) / len(text)
        if share > best_share:
            best, best_share = encoding, share
    return best


def _decoded(data: bytes, encoding: str) -> str | None:
    """The text, without a character that the end of a sample cuts in two; None where it does not decode."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data)
    except (UnicodeDecodeError, LookupError):
        return None


def _plain(path: Path, sample: bytes, name: str) -> tuple[str, FileReason]:
    """UTF-8 wherever that is possible; otherwise the best guess for the sample.

    Raises DataError for a UTF-8 file with a few damaged bytes: any other encoding would turn all of it into nonsense.
    """
    line = _broken_line(path, "utf-8")
    if line is None:
        return "utf-8", FileReason("data.file.encoding_utf8", {})
    text = sample.decode("utf-8", "replace")
    damaged = text.count("\N{REPLACEMENT CHARACTER}")
    if sum(sign > "\x7f" for sign in text) - damaged > 10 * damaged:
        raise DataError("error.data.encoding", field="file", name=name, encoding="utf-8", line=line)
    if _reads_as_chinese(sample) and _broken_line(path, "gb18030") is None:
        return "gb18030", FileReason("data.file.encoding_gbk", {})
    encoding = _guessed(sample)
    if encoding is None:
        raise DataError("error.data.encoding", field="file", name=name, encoding="utf-8", line=line)
    return encoding, FileReason("data.file.encoding_guess", {"encoding": encoding.upper()})


#: The hundred characters that make up two fifths of any modern Chinese text (source: Jun Da, Modern Chinese Character
#: Frequency List, 2004), and the marks between them.
_FREQUENT = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现"
    "当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实，。、？！：；“”（）什问答怎请"
)


def _reads_as_chinese(sample: bytes) -> bool:
    """Whether every tenth sign beyond ASCII is among the most frequent ones of Chinese. Bytes of another encoding that decode as
    GB18030 give rare characters.
    """
    text = _decoded(sample, "gb18030")
    foreign = [sign for sign in text or "" if sign > "\x7f"]
    return len(foreign) > 1 and sum(sign in _FREQUENT for sign in foreign) * 10 >= len(foreign)


def _guessed(sample: bytes) -> str | None:
    """charset-normalizer's best guess; whole lines only, so that no character is cut. GB18030 contains GBK and GB2312."""
    from charset_normalizer import from_bytes

    sample = sample[:_GUESS_BYTES]
    matches = list(from_bytes(sample[: sample.rfind(b"\n") + 1] or sample))
    if not matches:
        return None
    best = matches[0]
    if best.encoding in ("gb2312", "gbk"):
        return "gb18030"
    # Among equally good guesses the Western default of Windows is by far the most frequent.
    equal = [match.encoding for match in matches if (match.chaos, match.coherence) == (best.chaos, best.coherence)]
    return "cp1252" if "cp1252" in equal else best.encoding


def _broken_line(path: Path, encoding: str) -> int | None:
    """The 1-based line in which strict decoding fails, or None where it does not. Lines are counted only where it does."""
    if _decodes(path, encoding):
        return None
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    line = 1
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            try:
                line += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeError as error:
                if not isinstance(error, UnicodeDecodeError):
                    return line
                before = error.object[: error.start].decode(encoding, "ignore")
                return line + before.replace("\r\n", "\n").replace("\r", "\n").count("\n")
            if not chunk:
                return line


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        try:
            while chunk := file.read(_CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeError:  # UTF-16 and UTF-7 raise it without a place
            return False
    return True
