"""What personal data looks like: patterns, the arithmetic that confirms them, and how they are masked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

MOST_CHARACTERS = 10_000  # of one cell; what is personal stands early or often

PersonalKind = Literal["email", "phone", "card", "iban", "ssn", "ip", "person", "address", "birth"]

SAID: dict[PersonalKind, str] = {
    "email": "e-mail addresses",
    "phone": "phone numbers",
    "card": "payment card numbers",
    "iban": "bank account numbers (IBAN)",
    "ssn": "US social security numbers",
    "ip": "IP addresses",
    "person": "names of persons",
    "address": "street addresses",
    "birth": "dates of birth",
}


@dataclass(frozen=True)
class Pattern:
    """What one kind of personal data looks like. `sign`: a text without any of these characters has none of it."""

    kind: PersonalKind
    regex: re.Pattern[str]
    sign: str = ""
    confirm: Callable[[str], bool] = lambda match: True

    def search(self, text: str) -> Iterator[re.Match[str]]:
        """Every confirmed occurrence."""
        if not self.sign or any(character in text for character in self.sign):
            yield from (match for match in self.regex.finditer(text) if self.confirm(match.group()))


def is_luhn(text: str) -> bool:
    """Does the check digit of a card number fit? (ISO/IEC 7812-1, annex B)"""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(text: str) -> bool:
    """Do the check digits of an account number fit? (ISO 13616, modulo 97)"""
    plain = text.replace(" ", "")
    turned = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def is_phone(text: str) -> bool:
    """Are there as many digits as a phone number has? (ITU-T E.164: at most 15)"""
    digits = re.sub(r"\D", "", text)
    return 8 <= len(digits) <= 15 and len(set(digits)) > 2


def is_address_of_somebody(text: str) -> bool:
    """Not a version number such as 1.2.10.3, nor this machine, nor a private network."""
    parts = [int(part) for part in text.split(".")]
    return max(parts) > 30 and parts[0] not in (0, 10, 127, 255) and parts[:2] != [192, 168]


TITLES = r"Mr|Mrs|Ms|Miss|Mister|Master|Rev|Mlle|Dr|Prof|Professor|Herr|Frau|Mme|Madame|Monsieur|Señora?|Signora?"
STREETS = r"Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Court|Ct|Terrace|Place|Square"

# What cannot be mistaken comes before what it could be taken for: parts of an IBAN look like a phone number.
PATTERNS = (
    Pattern("email", re.compile(r"(?<![\w.+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,4}[A-Za-z]{2,24}\b"), "@"),
    Pattern("iban", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), "0123456789", is_iban),
    Pattern(
        "card",
        re.compile(
            r"(?<![\d.+-])(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|6(?:011|5\d\d)|3\d{3})(?:[ -]?\d){9,15}(?![\d-])(?!\.\d)"
        ),
        "23456",
        is_luhn,
    ),
    Pattern(
        "ssn",
        re.compile(r"(?=\d{3}-)(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"),
        "-",
    ),
    Pattern(
        "ip",
        re.compile(r"(?=\d{1,3}\.)(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])"),
        ".",
        is_address_of_somebody,
    ),
    Pattern(
        "phone",
        re.compile(
            r"(?<![\w.])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,4}(?!\w)"  # +49 30 1234567
            r"|(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}(?![\w-])"  # (555) 123-4567
            r"|(?<![\w.,-])0[1-9]\d{1,3}[ /-]\d{3,4}[ -]?\d{3,4}(?![\w-])"  # 0151 1234567, 020 7946 0958
            r"|(?<![\w.,-])07\d{9}(?!\w)"  # a British mobile, always written in one
        ),
        "0123456789",
        is_phone,
    ),
    Pattern(
        "person",
        re.compile(
            rf"(?=[A-Z])(?:[A-Z][\w'’-]+, )?\b(?:{TITLES})\b\.? (?:[A-Z]\.? ?){{0,2}}[A-Z][a-zà-ÿ'’-]+"
            r"(?: [A-Z][a-zà-ÿ'’-]+){0,3}"
        ),
        " ",
    ),
    Pattern(
        "address",
        re.compile(
            rf"\b\d{{1,5}}[A-Za-z]? (?:[A-Z][\w'’.-]+ ){{1,3}}(?:{STREETS})\b"
            r"|\b[A-ZÄÖÜ][\wäöüß.-]+(?:straße|strasse|str\.|gasse|allee|weg|platz) \d{1,4}\b"
        ),
        "0123456789",
    ),
)  # fmt: skip


def find_personal(text: str) -> set[PersonalKind]:
    """Which kinds of personal data a text holds, by their looks alone."""
    text = text[:MOST_CHARACTERS]
    return {pattern.kind for pattern in PATTERNS if any(True for _ in pattern.search(text))}


def mask(text: str) -> str:
    """The shape of a text without its content: 'Owen.Harris@mail.org' becomes 'O….H…@m….o…'. Of digits one is kept."""
    masked = re.sub(r"[^\W\d_]+", lambda word: f"{word.group()[0]}…" if len(word.group()) > 1 else word.group(), text)
    first = re.search(r"\d", masked)
    kept = first.end() if first else 0
    return masked[:kept] + re.sub(r"\d[\d\s./()-]*", "…", masked[kept:])


def hide(text: str) -> str:
    """The text with every piece of personal data in it masked."""
    for pattern in PATTERNS:
        for match in list(pattern.search(text)):
            text = text.replace(match.group(), mask(match.group()))
    return text
