"""What leads to a person, and the many numbers that do not. Check digits against the standards' own examples."""

from __future__ import annotations

import time

import pytest

from studio.data.checks.base import RowView
from studio.data.checks.checksums import is_card_number, is_identity_number, passes_luhn
from studio.data.checks.personal_data import PersonalData
from studio.data.rows import NewRow

# text, what, the part that leads to a person
FOUND = [
    ("Write to anna.berg+work@mail.uni-graz.at soon.", "mail", "anna.berg+work@mail.uni-graz.at"),
    ("邮箱zhang.san＠163.com，谢谢", "mail", "zhang.san＠163.com"),
    ("电话13812345678微信同号", "phone", "13812345678"),
    ("手机：１３８１２３４５６７８", "phone", "１３８１２３４５６７８"),
    ("请拨打 138-1234-5678", "phone", "138-1234-5678"),
    ("请拨打 +86 138 1234 5678", "phone", "+86 138 1234 5678"),
    ("请拨打（0571）8765 4321", "phone", "（0571）8765 4321"),
    ("座机 010-65521234转8001", "phone", "010-65521234转8001"),
    ("两个号码 13812345678,13912345679", "phone", "13812345678"),
    ("Call (415) 555-2671.", "phone", "(415) 555-2671"),
    ("Call 415.555.2671.", "phone", "415.555.2671"),
    ("Call +44 20 7946 0958 at noon.", "phone", "+44 20 7946 0958"),
    ("Call 020 7946 0958 at noon.", "phone", "020 7946 0958"),
    ("Tel: 555-1234", "phone", "555-1234"),
    ("身份证号11010519491231002X。", "id", "11010519491231002X"),
    ("身份证：110105 19491231 002x", "id", "110105 19491231 002x"),
    ("老身份证 110105491231002", "id", "110105491231002"),
    ("Card 4111 1111 1111 1111, please.", "card", "4111 1111 1111 1111"),
    ("Card 3782-822463-10005.", "card", "3782-822463-10005"),
    ("The server at 114.114.115.200 answers.", "ip", "114.114.115.200"),
    ("Open http://159.89.98.186:5000/root now.", "ip", "159.89.98.186"),
    ("ping 8.8.8.8", "ip", "8.8.8.8"),
    ("It came from 2001:4860:4860::8888.", "ip", "2001:4860:4860::8888"),
]

CLEAN = [
    ("user@example.com", "a mail address for examples"),
    ("your.name@company.com", "a placeholder"),
    ("git@github.com:foo/bar.git", "a repository"),
    ("icon@2x.png and react@18.2.0", "a file and a version"),
    ("https://tom:secret@db.server.net/x", "a password in a link"),
    ("j***n@gmail.com", "a masked address"),
    ("拨打110、12315或95588", "服务热线"),
    ("400-820-8820 或 800-810-8888", "服务热线"),
    ("1-800-555-1234", "a hotline"),
    ("138****1234", "已打码的手机"),
    ("555-555-5555", "one digit over and over"),
    ("订单号13812345678已发货", "订单号"),
    ("Order no. 415-555-2671 has left.", "an order"),
    ("注册资本15000000000元", "金额"),
    ("https://shop.cn/item/13812345678", "a link"),
    ("pi = 3.14159265358979", "a decimal fraction"),
    ("3.13812345678", "a decimal fraction that looks like a phone"),
    ("a13812345678b and 550e8400-e29b-41d4-a716-446655440000", "an identifier and a hash"),
    ("ISBN 978-7-111-54742-6, ISSN 1234-5679", "books"),
    ("doi:10.1000/4155552671", "a DOI"),
    ("2023-01-15 10:30:45 and 20230115123456", "times"),
    ("1686123456789", "milliseconds since 1970"),
    ("11010519491231002Y 110105194912310021", "a wrong check character"),
    ("110105194913310028", "the thirteenth month"),
    ("4111 1111 1111 1112", "a wrong check digit"),
    ("2020 2021 2022 2023", "years"),
    ("127.0.0.1, 10.0.0.5, 192.168.1.1, 169.254.1.1", "private and local addresses"),
    ("203.0.113.5 and 2001:db8::1", "addresses for documentation"),
    ("224.0.0.251 and 255.255.255.0", "multicast and a mask"),
    ("version 91.0.124.200", "a version"),
    ("Chrome/91.0.124.200", "a version behind its program"),
    ("See section 3.2.1.4.", "a section"),
    ("第3.2.1.4节", "章节"),
    ("3.2.1.4 Scope", "a heading"),
    ("std::a::b and 12:30:45", "code and a time"),
]


def whats(text: str) -> list[tuple[str, str]]:
    return [(mark.what, text[mark.start : mark.end]) for mark in PersonalData().marks(text)]


def chat(question: str, answer: str) -> NewRow:
    return NewRow("chat", {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})


def mended(question: str, answer: str = "OK.") -> str:
    (row,) = PersonalData().mended(chat(question, answer))
    return str(row.content["messages"][0]["content"])


# --- check digits -----------------------------------------------------------------------------------------------------


def test_an_identity_number_is_that_of_the_standards_example() -> None:
    """GB 11643-1999 works out 11010519491231002X: Σ aᵢ·Wᵢ = 167, 167 mod 11 = 2, and 2 stands for X."""
    assert is_identity_number("11010519491231002X")
    assert [digit for digit in "0123456789X" if is_identity_number(f"11010519491231002{digit}")] == ["X"]


def test_an_old_identity_number_needs_a_day_that_exists() -> None:
    assert is_identity_number("110105491231002")
    assert not is_identity_number("110105490230002")
    assert not is_identity_number("990105491231002")


def test_luhns_own_example_has_the_check_digit_three() -> None:
    """79927398713 is the worked example of Luhn's method; no other last digit passes."""
    assert [digit for digit in range(10) if passes_luhn(f"7992739871{digit}")] == [3]


TEST_CARDS = ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "3530111333300000"]


@pytest.mark.parametrize("number", TEST_CARDS)
def test_numbers_that_issuers_publish_for_tests_are_cards(number: str) -> None:
    assert is_card_number(number)
    assert not is_card_number(number[:-1] + str((int(number[-1]) + 1) % 10))


def test_luhns_example_is_too_short_for_a_card() -> None:
    assert not is_card_number("79927398713")


# --- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "what", "part"), FOUND)
def test_what_leads_to_a_person_is_found(text: str, what: str, part: str) -> None:
    assert whats(text)[0] == (what, part)


@pytest.mark.parametrize("text", [text for text, _ in CLEAN], ids=[why for _, why in CLEAN])
def test_a_number_that_leads_to_nobody_is_not_found(text: str) -> None:
    assert whats(text) == []


def test_an_identity_number_that_could_be_a_card_is_an_identity_number() -> None:
    number = "620105199001010205"
    assert is_identity_number(number)
    assert is_card_number(number)
    assert [what for what, _ in whats(number)] == ["id"]


def test_every_text_of_a_row_counts() -> None:
    phone = "13812345678"
    messages = [{"role": role, "content": phone} for role in ("system", "user", "assistant", "tool")]
    spots = PersonalData().spots(RowView(NewRow("chat", {"messages": messages})))
    assert [spot.where for spot in spots] == [f"messages[{n}].content" for n in range(4)]
    said = [{"role": "assistant", "content": phone}]
    row = NewRow("preference", {"messages": [{"role": "user", "content": "?"}], "chosen": said, "rejected": said})
    assert [spot.where for spot in PersonalData().spots(RowView(row))] == ["chosen[0].content", "rejected[0].content"]


# --- what is mended ---------------------------------------------------------------------------------------------------


def test_masks_are_written_in_the_language_of_what_remains() -> None:
    assert mended("Call (415) 555-2671 or write to tom@mail.com.") == "Call [PHONE] or write to [EMAIL]."
    assert mended("电话13812345678，邮箱wang.xiaoming1990@163.com") == "电话[电话]，邮箱[邮箱]"
    assert mended("证件11010519491231002X，卡4111111111111111") == "证件[身份证号]，卡[银行卡号]"
    assert mended("登录地址114.114.115.200") == "登录地址[IP地址]"
    assert mended("ID 11010519491231002X, card 4111111111111111") == "ID [ID], card [CARD]"


def test_where_nothing_remains_the_whole_row_decides() -> None:
    assert mended("13812345678", "好的，已登记。") == "[电话]"
    assert mended("13812345678", "Thank you.") == "[PHONE]"


def test_answers_that_differ_in_nothing_else_stay_a_preference() -> None:
    one, two = ([{"role": "assistant", "content": f"打{number}"}] for number in ("13812345678", "13912345679"))
    row = NewRow("preference", {"messages": [{"role": "user", "content": "?"}], "chosen": one, "rejected": two})
    assert PersonalData().mended(row) == [row]


@pytest.mark.parametrize("text", [text for text, *_ in FOUND] + [text for text, _ in CLEAN])
def test_a_mended_row_is_clean_and_mending_again_changes_nothing(text: str) -> None:
    (row,) = PersonalData().mended(chat(text, "OK."))
    assert not PersonalData().spots(RowView(row))
    assert PersonalData().mended(row) == [row]
    assert whats(text) or row == chat(text, "OK.")


HOSTILE = ["1" * 100_000, "1 " * 50_000, "+1" * 50_000, "a" * 100_000, "@a.bc" * 20_000, "1.1." * 25_000, "8.8.8.8 " * 12_000]
HOSTILE += ["(0" * 50_000, "138 1234 567 " * 8_000, "1381234567８ " * 8_000, "a@" * 50_000, "2001:" * 20_000, "http://1 " * 9_000]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: repr(text[:8]))
def test_a_hostile_text_takes_less_than_a_second(hostile: str) -> None:
    began = time.perf_counter()
    PersonalData().marks(hostile)
    assert time.perf_counter() - began < 1
