"""What personal data look like: places in a text that have the form of one, and stand where one can stand.

Knows half-width digits only, and neither rows nor masks. Start at `places`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

from studio.data.checks.base import Mark
from studio.data.checks.checksums import is_card_number, is_identity_number

__all__ = ["places"]

#: Nothing before and nothing behind that makes a number part of a longer one, of a name in code, a hash or a decimal fraction.
_FREE = r"(?<![0-9A-Za-z_])(?<!\d\.)(?<![0-9A-Za-z]-)"
_END = r"(?!-?[0-9A-Za-z_]|\.\d)"

#: How far back words are read that say what a number is.
_LOOK_BACK = 48


def places(text: str) -> Iterator[Mark]:
    """Those found first count more: an identity number may look like a card."""
    linked = bytearray(len(text))
    for link in _LINK.finditer(text) if "://" in text else ():
        linked[link.start() : link.end()] = b"\1" * len(link[0])

    def numbers(what: str, pattern: re.Pattern[str], holds: Callable[[re.Match[str]], bool]) -> Iterator[Mark]:
        for found in pattern.finditer(text):
            if not linked[found.start()] and holds(found):
                yield Mark(*found.span(), what)

    yield from _mails(text)
    yield from numbers("id", _IDENTITY, lambda found: is_identity_number(_compact(found[0])))
    yield from numbers("card", _CARD, lambda found: is_card_number(_compact(found[0])) and not _is_counted(found))
    for pattern in _PHONES:
        yield from numbers("phone", pattern, lambda found: _is_called(found) and not _is_counted(found))
    yield from numbers("phone", _NUMBER, lambda found: _said_before(found, _PHONE_WORD) and _is_called(found))
    yield from _addresses(text)


def _compact(number: str) -> str:
    return number.replace(" ", "").replace("-", "")


def _said_before(found: re.Match[str], pattern: re.Pattern[str]) -> bool:
    """Whether the pattern is found in what stands before."""
    return pattern.search(found.string[max(0, found.start() - _LOOK_BACK) : found.start()]) is not None


_LINK = re.compile(r"\bhttps?://[^\s<>\"'，。；）、]{1,2000}", re.IGNORECASE)

# --- mail -------------------------------------------------------------------------------------------------------------

_AT_DOMAIN = re.compile(r"@((?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.){1,8}[A-Za-z]{2,24})(?![A-Za-z0-9])")
_LOCAL_PART = re.compile(r"(?<![A-Za-z0-9._%+*@\-])[A-Za-z0-9_][A-Za-z0-9._%+\-]{0,63}\Z")
_NOBODY = re.compile(
    r"git@|.*@(?:.+\.)?(?:test|invalid|localhost|local)$"
    r"|(?:user|name|mail|email|e-mail|test|me|you|foo|bar|alice|bob|info|admin|contact|support|noreply|no-reply|example"
    r"|(?:john|jane)[._]?doe)\d?@(?:.+\.)?example(?:\.\w+)?$"
    r"|.*\.(?:png|jpe?g|gif|svg|webp|ico|css|js|ts|py|html?|json|pdf|md|txt)$"
    r"|(?:your|x{2,}@|username@|someone@).*|.*@(?:your.*|domain\.com|x+\.com)$",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"\w://[^\s/@]*\Z")


def _mails(text: str) -> Iterator[Mark]:
    for found in _AT_DOMAIN.finditer(text):
        local = _LOCAL_PART.search(text[max(0, found.start() - 65) : found.start()])
        if local and not _NOBODY.match(local[0] + found[0]) and not _said_before(found, _PASSWORD):
            yield Mark(found.start() - len(local[0]), found.end(), "mail")


# --- identity numbers and cards ---------------------------------------------------------------------------------------

_IDENTITY = re.compile(rf"{_FREE}[1-9]\d{{5}}(?:(?P<gap>[ \-]?)(?:18|19|20)\d{{6}}(?P=gap)\d{{3}}[\dXx]|\d{{9}}){_END}")
_CARD = re.compile(
    rf"{_FREE}(?:\d{{13,19}}|\d{{4}}(?P<gap>[ \-])\d{{4}}(?P=gap)\d{{4}}(?P=gap)\d{{1,4}}(?:(?P=gap)\d{{1,3}})?"
    rf"|\d{{4}}(?P<wide>[ \-])\d{{6}}(?P=wide)\d{{4,5}}|\d{{6}}(?P<old>[ \-])\d{{10,13}}){_END}"
)

#: What a number is that is no person's: it counts orders, or money.
_COUNTED = re.compile(
    r"(?:订单|单号|编号|流水|运单|快递|物流|包裹|发票|合同|案号|备案|批号|工单|条码|条形码|型号|货号|序列号|时间戳"
    r"|\b(?:order|tracking|invoice|ticket|reference|ref|serial|parcel|shipment|isbn|issn|doi|sku|upc|ean|barcode|part|model|case|po"
    r"|transaction|confirmation|version|timestamp|patent)\b)"
    r"\W{0,3}(?:numbers?|no|id|号码|号|码)?\W{0,3}(?:is|was|为|是)?[\s:：#＃“\"'（(]*\Z"
    r"|[$¥￥€£]\s?\Z|\b10\.\d{4,9}/\S*\Z",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"\s?(?:[%％元万亿吨]|[美欧日]元|人民币|块钱|字节|毫秒|公里|千克|(?:dollars|yuan|euros|usd|rmb|cny|bytes|km|kg|ms)\b)",
    re.IGNORECASE,
)


def _is_counted(found: re.Match[str]) -> bool:
    return _said_before(found, _COUNTED) or _AMOUNT.match(found.string, found.end()) is not None


# --- phone numbers ----------------------------------------------------------------------------------------------------

_CHINA = r"(?:[(（]?(?:\+|00)?86[)）]?[ \-]?)?"
_AREA = r"0(?:10|2\d|[3-9]\d{2})"
_EXTENSION = r"(?:\s?(?:转|ext\.?|x)\s?\d{1,5})?"

#: Chinese mobile, Chinese landline, international (ITU-T E.164), North American (area code, exchange, line), and with the zero
#: that many countries write before an area code.
_PHONES = (
    re.compile(rf"{_FREE}(?<!\+){_CHINA}1[3-9]\d(?:\d{{8}}|(?P<gap>[ \-])\d{{4}}(?P=gap)\d{{4}}){_END}"),
    re.compile(rf"{_FREE}{_CHINA}(?:[(（]{_AREA}[)）][ \-]?|{_AREA}[ \-])[2-8]\d{{2,3}}[ \-]?\d{{4}}{_EXTENSION}{_END}"),
    re.compile(rf"{_FREE}(?<![+)])\+[1-9]\d{{0,2}}+(?:[ .\-]?(?:\(\d{{1,4}}\)|\d{{1,4}}+)){{2,6}}+{_EXTENSION}{_END}"),
    re.compile(
        rf"{_FREE}(?:1[ .\-])?(?:\([2-9]\d{{2}}\)[ .\-]?|[2-9]\d{{2}}(?P<gap>[.\-]))\d{{3}}(?(gap)(?P=gap)|[ .\-])\d{{4}}"
        rf"{_EXTENSION}{_END}"
    ),
    re.compile(rf"{_FREE}(?=(?:\d[ \-]?){{10,11}}{_END})0[1-9]\d{{1,3}}[ \-]\d{{3,4}}[ \-]?\d{{3,4}}{_END}"),
)

#: Any other number is one where a word says so.
_NUMBER = re.compile(rf"{_FREE}[(（]?\d(?:[ ()（）\-]{{0,2}}\d){{6,12}}{_END}")
_PHONE_WORD = re.compile(
    r"(?:\b(?:tel|telephone|fax)(?:\s?(?:numbers?|no))?|(?:电话|座机|传真)(?:号码|号)?)\W{0,3}(?:(?:is|at)\b|[是为])?\W{0,3}\Z"
    r"|(?:\b(?:phone|mobile|cell|whatsapp)(?:\s?(?:numbers?|no))?|(?:手机|联系方式)(?:号码|号)?)\W{0,2}(?:[:：=]|\b(?:is|at)\b|[是为])\W{0,3}\Z",
    re.IGNORECASE,
)

_HOTLINE = re.compile(r"(?:86|0086)?[48]00\d{7}|1?8(?:00|33|44|55|66|77|88)\d{7}|0800\d+|95\d{3,6}|96\d{3,6}")


def _is_called(found: re.Match[str]) -> bool:
    """Whether somebody may answer there: no hotline, not 555-555-5555 nor 0101 0101 0101, and as many digits as a plus allows."""
    number = re.split("转|ext|x", found[0])[0]
    digits = re.sub(r"\D", "", number)
    if len(set(digits)) == 1 or set(digits) == {"0", "1"} or _HOTLINE.fullmatch(digits):
        return False
    if number.startswith("+"):
        return len(digits) == 11 if digits[0] == "1" else 9 <= len(digits) <= 15
    return True


# --- addresses of computers -------------------------------------------------------------------------------------------

_IPV4 = re.compile(r"(?<![0-9A-Za-z_.])(?<![0-9A-Za-z]-)\d{1,3}(?:\.\d{1,3}){3}(?![0-9A-Za-z_]|\.\d|-[0-9A-Za-z])")
_IPV6 = re.compile(r"(?<![0-9A-Za-z_:.])(?:[0-9A-Fa-f]{1,4}::?){2,7}(?:[0-9A-Fa-f]{1,4})?(?![0-9A-Za-z_:]|\.\d)")

#: IANA gives out addresses from here only; much that looks like another, such as C++'s a::b, is none.
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")

_VERSION_BEFORE = re.compile(
    r"(?:\b(?:versions?|ver|v|release|build|rev|revision|firmware|kernel|driver|sections?|sec|chapters?|clauses?|articles?|appendix"
    r"|figures?|fig|tables?|steps?|rules?|items?|paragraphs?|rfc|iso|iec|gb|oid)\b|版本号?|固件|驱动|内核|升级[到至]|更新[到至]"
    r"|[第章节条款项表图录版§]|[A-Za-z]/)(?:\s(?:is|was|to|number|no))?[\s.:：=\"'为是]{0,3}"
    r"(?:\d+(?:\.\d+)+\s?(?:,|、|and|or|to|和|与|到|至|-|–)\s?)*\Z",
    re.IGNORECASE,
)
_VERSION_BEHIND = re.compile(r"\s?(?:[节章条款项]|版本?|release|version)")

#: Four parts below 64 are a section or a version, unless a word says that they are an address: of addresses 0.4 % are such.
_SMALL = 64
_ADDRESS_WORD = re.compile(
    r"\b(?:dns|ping|ssh|servers?|host|gateway|proxy|nameservers?|resolver)\b|(?<![a-z])ip(?![a-z])|服务器|主机|网关|代理",
    re.IGNORECASE,
)


def _addresses(text: str) -> Iterator[Mark]:
    for found in _IPV4.finditer(text):
        if _is_public(found[0]) and not _is_numbering(found):
            yield Mark(*found.span(), "ip")
    if ":" in text:
        for found in _IPV6.finditer(text):
            if _is_public(found[0]):
                yield Mark(*found.span(), "ip")


def _is_public(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # a part above 255, an hour and its minutes
        return False
    return found.is_global and not found.is_multicast and (found.version == 4 or found in _GLOBAL_IPV6)


def _is_numbering(found: re.Match[str]) -> bool:
    """Of a version or a section."""
    if found[0].endswith(".0.0") or _said_before(found, _VERSION_BEFORE) or _VERSION_BEHIND.match(found.string, found.end()):
        return True
    return all(int(part) < _SMALL for part in found[0].split(".")) and not _said_before(found, _ADDRESS_WORD)
