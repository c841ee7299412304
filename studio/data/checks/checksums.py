"""Check digits: whether a run of digits can be a Chinese identity number or the number of a bank card."""

from __future__ import annotations

import re
from datetime import date

__all__ = ["is_card_number", "is_identity_number", "passes_luhn"]

#: The two digits of a province (GB/T 2260), of Hong Kong, Macau and Taiwan, of a foreign resident.
_PROVINCE = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|91")

#: Weights 2^(17−i) mod 11 of the digits, and the check character for each remainder.
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"

#: What issuers' numbers begin with and how long they are, ISO/IEC 7812: American Express, Diners, JCB, Visa, Mastercard, Maestro,
#: Discover and UnionPay, and the 9558 that China's oldest bank cards begin with.
_ISSUED = re.compile(
    r"3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11,16}|35(?:2[89]|[3-8]\d)\d{12,15}|4\d{12}(?:\d{3})?(?:\d{3})?"
    r"|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|[56]\d{15,18}|9558\d{12,15}"
)


def is_identity_number(number: str) -> bool:
    """Of 18 characters, with the check character of ISO 7064 MOD 11-2 (GB 11643-1999), or of 15 digits as before 1999; the
    province and the day of birth must exist.
    """
    if not _PROVINCE.match(number):
        return False
    if len(number) == 15:
        return _is_day("19" + number[6:12])
    remainder = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False)) % 11
    return len(number) == 18 and number[17].upper() == _CHECK_CHARACTERS[remainder] and _is_day(number[6:14])


def _is_day(digits: str) -> bool:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:  # no such day
        return False
    return born.year >= 1850


def passes_luhn(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1, annex B): from the right, every second digit doubled, its two digits added up; the sum is a
    multiple of ten.
    """
    total = sum(int(digit) for digit in digits[-1::-2])
    return (total + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])) % 10 == 0


def is_card_number(digits: str) -> bool:
    """13 to 19 digits that an issuer may have given out, with the right check digit."""
    return _ISSUED.fullmatch(digits) is not None and passes_luhn(digits)
