"""Checksums of bank cards (Luhn) and of Chinese identity numbers (GB 11643)."""

from __future__ import annotations

from random import Random

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECK = "10X98765432"


def luhn_digit(body: str) -> str:
    """The check digit that makes `body` + digit valid."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def is_luhn(number: str) -> bool:
    return number.isdigit() and luhn_digit(number[:-1]) == number[-1]


def id_digit(body: str) -> str:
    """The check character of a 17-digit identity number body."""
    return ID_CHECK[sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True)) % 11]


def is_identity(number: str) -> bool:
    return len(number) == 18 and number[:17].isdigit() and id_digit(number[:17]) == number[17].upper()


def harmless_digits(rng: Random, length: int, first: str = "89") -> str:
    """Digits, such as an order number, that pass none of the checksums."""
    while True:
        number = rng.choice(first) + "".join(rng.choice("0123456789") for _ in range(length - 1))
        if not is_luhn(number) and not is_identity(number):
            return number
