"""Invented personal data that looks real: addresses, numbers, cards, identity numbers, network addresses."""

from __future__ import annotations

from random import Random

from .checksums import id_digit, luhn_digit

FIRST = [
    "laura",
    "tom",
    "aisha",
    "pedro",
    "nina",
    "samuel",
    "grace",
    "ingrid",
    "karol",
    "dana",
    "felix",
    "omar",
    "hui",
    "lena",
    "mark",
    "judith",
]
LAST = [
    "meier",
    "hartley",
    "khan",
    "santos",
    "berg",
    "okafor",
    "lindgren",
    "moreau",
    "novak",
    "petrov",
    "schulze",
    "tanaka",
    "walsh",
    "rossi",
    "haddad",
]
PINYIN = [
    "wangxm",
    "lijing",
    "zhangjg",
    "liuyang",
    "chenxd",
    "zhouhui",
    "wulaoshi",
    "zhaomin",
    "sunhao",
    "gaoyuan",
    "linxiao",
    "songjia",
]
DOMAIN_A = ["bright", "north", "blue", "kornfeld", "harbor", "silver", "maple", "quarz", "stein", "delta", "orchard", "lumen"]
DOMAIN_B = ["water", "logistics", "clinic", "print", "design", "legal", "foods", "optik", "mobil", "school", "garden", "audio"]
ENDINGS = ("com", "org", "net", "co.uk", "de", "io", "eu")
DOMAIN_ZH = [
    "qingshan-kj.com.cn",
    "hengtongwl.cn",
    "yunfan-edu.com.cn",
    "mail.beichen-yl.cn",
    "lvyuan-ny.com",
    "haoshi-tech.net",
    "xinyue-law.cn",
    "jinhe-jz.com",
]
REGIONS = [
    "110105",
    "310104",
    "440106",
    "510107",
    "330106",
    "320102",
    "420111",
    "610113",
    "370202",
    "430104",
    "350203",
    "230103",
    "210102",
    "500112",
    "340104",
]
MOBILE = [
    "130",
    "131",
    "133",
    "135",
    "136",
    "137",
    "138",
    "139",
    "150",
    "151",
    "152",
    "155",
    "157",
    "158",
    "159",
    "166",
    "170",
    "175",
    "176",
    "177",
    "178",
    "180",
    "182",
    "185",
    "186",
    "187",
    "188",
    "189",
    "198",
    "199",
]
LANDLINE = (
    ("010", 8),
    ("021", 8),
    ("028", 8),
    ("0571", 8),
    ("0755", 8),
    ("0411", 8),
    ("0512", 8),
    ("0731", 8),
    ("0379", 8),
    ("0792", 7),
)
BINS = (
    ("622202", 19),
    ("621700", 19),
    ("622848", 19),
    ("622588", 16),
    ("621483", 16),
    ("622150", 19),
    ("453242", 16),
    ("491671", 16),
    ("515783", 16),
    ("542418", 16),
    ("621098", 17),
    ("620522", 18),
)


def digits(rng: Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def email(rng: Random, lang: str) -> str:
    first, last = rng.choice(FIRST), rng.choice(LAST)
    local = rng.choice(
        (
            f"{first}.{last}",
            f"{first[0]}.{last}",
            f"{first}_{last}",
            f"{first}{rng.randint(2, 99)}",
            f"{last}-{first[0]}",
            f"{first}.{last}+{rng.choice(('news', 'shop', 'forum'))}",
            f"{first[0]}{last}",
        )
    )
    domain = f"{rng.choice(DOMAIN_A)}{rng.choice(('', '-'))}{rng.choice(DOMAIN_B)}.{rng.choice(ENDINGS)}"
    if rng.random() < 0.2:
        domain = rng.choice(("mail.", "office.", "it.dept.")) + domain
    if rng.random() < 0.1:
        domain = rng.choice(("example.com", "example.org"))
    if lang == "zh":
        local = rng.choice((rng.choice(PINYIN), f"{rng.choice(PINYIN)}{rng.randint(1, 2004)}", local))
        domain = rng.choice((rng.choice(DOMAIN_ZH), rng.choice(DOMAIN_ZH), domain))
    address = f"{local}@{domain}"
    roll = rng.random()
    if roll < 0.08:
        return address.replace("@", "＠")
    return address.upper() if roll < 0.12 else address


def mobile(rng: Random) -> str:
    number = rng.choice(MOBILE) + digits(rng, 8)
    a, b, c = number[:3], number[3:7], number[7:]
    return rng.choice(
        (
            number,
            number,
            number,
            f"{a} {b} {c}",
            f"{a}-{b}-{c}",
            f"+86 {number}",
            f"+86{number}",
            f"+86 {a} {b} {c}",
            f"+86-{a}-{b}-{c}",
            f"(86){number}",
            f"0086 {number}",
        )
    )


def landline(rng: Random) -> str:
    area, length = rng.choice(LANDLINE)
    number = rng.choice("25678") + digits(rng, length - 1)
    return rng.choice(
        (
            f"{area}-{number}",
            f"{area}-{number}",
            f"（{area}）{number}",
            f"({area}){number}",
            f"{area} {number}",
            f"+86-{area[1:]}-{number}",
            f"{area}-{number}转{rng.randint(801, 899)}",
        )
    )


def phone(rng: Random) -> str:
    """Numbers in the ranges that the authorities keep free for fiction; they look like any other."""
    area, tail = rng.choice(("415", "212", "303", "617", "702", "206")), f"01{digits(rng, 2)}"
    uk, london, paris = f"900{digits(rng, 3)}", digits(rng, 3), digits(rng, 4)
    return rng.choice(
        (
            f"({area}) 555-{tail}",
            f"{area}-555-{tail}",
            f"+1 {area} 555 {tail}",
            f"{area}.555.{tail}",
            f"+1-{area}-555-{tail}",
            f"1 ({area}) 555-{tail}",
            f"07700 {uk}",
            f"+44 7700 {uk}",
            f"+44 (0)7700 {uk}",
            f"020 7946 0{london}",
            f"+44 20 7946 0{london}",
            f"+49 30 23125 {london}",
            f"+33 6 39 98 {paris[:2]} {paris[2:]}",
            f"+61 491 570 {rng.choice(('006', '156', '157', '158', '159', '110'))}",
            f"+86 {rng.choice(MOBILE)} {digits(rng, 4)} {digits(rng, 4)}",
        )
    )


def identity(rng: Random, ends_in_x: bool | None = None) -> str:
    while True:
        born = f"{rng.randint(1950, 2006)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
        body = rng.choice(REGIONS) + born + f"{rng.randint(1, 999):03}"
        check = id_digit(body)
        if ends_in_x is None or (check == "X") == ends_in_x:
            return body + (check.lower() if check == "X" and rng.random() < 0.3 else check)


def card(rng: Random) -> str:
    prefix, length = rng.choice(BINS)
    body = prefix + digits(rng, length - len(prefix) - 1)
    number = body + luhn_digit(body)
    grouped = [number[i : i + 4] for i in range(0, length, 4)]
    return rng.choice((number, number, " ".join(grouped), " ".join(grouped), "-".join(grouped)))


def ipv4(rng: Random) -> str:
    reserved = {10, 100, 127, 169, 172, 192, 198, 203}
    first = rng.choice([n for n in range(23, 222) if n not in reserved])
    return f"{first}.{rng.randint(1, 254)}.{rng.randint(0, 254)}.{rng.randint(2, 253)}"


def ipv6(rng: Random) -> str:
    groups = [f"{rng.randint(1, 0xFFFF):x}" for _ in range(7)]
    head = rng.choice(("2a02", "2600", "2400", "2a01", "240e", "2409"))
    if rng.random() < 0.5:
        return f"{head}:{groups[0]}:{groups[1]}::{groups[2]}"
    return ":".join([head, *groups])


def make(kind: str, rng: Random, lang: str) -> str:
    makers = {
        "email": lambda: email(rng, lang),
        "mobile": lambda: mobile(rng),
        "landline": lambda: landline(rng),
        "phone": lambda: phone(rng),
        "identity": lambda: identity(rng, True if rng.random() < 0.25 else None),
        "card": lambda: card(rng),
        "ip": lambda: ipv4(rng),
        "ip6": lambda: ipv6(rng),
    }
    return makers[kind]()
