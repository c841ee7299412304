"""A large chat dataset for benches: rows that look like people's, half Chinese and half English, the same for the same seed."""

from __future__ import annotations

import json
import random
from pathlib import Path

__all__ = ["COMMON", "RARE", "write_chats"]

#: Words that stand in about every tenth row, and words that stand in every hundred-thousandth.
COMMON = ("眼科", "患者应", "patient")
RARE = ("鼹鼠", "紫水晶", "zeppelin")

_ZH_WORDS = (
    "患者 医生 眼睛 视力 模糊 检查 手术 药物 每天 三次 注意 休息 血压 升高 建议 复查 症状 缓解 疼痛 出现 发热 咳嗽 饮食 清淡 "
    "适当 运动 睡眠 充足 避免 辛辣 刺激 情况 严重 及时 就医 医院 门诊 预约 化验 结果 正常 偏高 服用 剂量 儿童 老人 孕妇 慎用 "
    "过敏 病史 说明 治疗 方案 观察 一周 之后 再次 联系 我们 谢谢 请问 可以 需要 多久 恢复 怎么办 是否 影响 工作 学习"
)
_EN_WORDS = (
    "the patient should rest and drink water because pressure can rise after surgery please call your doctor if pain does not "
    "stop within two days take one tablet every eight hours with food avoid strong light wear glasses outside keep the wound dry "
    "blood sugar was normal last week what does this result mean for my work how long will it take to heal is there any risk"
)


_ZH, _EN = _ZH_WORDS.split(), _EN_WORDS.split()


def _text(draw: random.Random, words: list[str], joint: str, length: int) -> str:
    return joint.join(draw.choices(words, k=length))


def write_chats(path: Path, n_rows: int, seed: int = 1) -> int:
    """JSONL in OpenAI's spelling, about 500 bytes a row; returns the file's size in bytes."""
    draw = random.Random(seed)
    # Sentences are drawn once and put together anew: a million rows in seconds.
    zh = [_text(draw, _ZH, "", draw.randint(4, 16)) + "。" for _ in range(4000)]
    en = [_text(draw, _EN, " ", draw.randint(5, 18)) + ". " for _ in range(4000)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(n_rows):
            pool, some = (zh, COMMON[:2]) if number % 2 else (en, COMMON[2:])
            said = [f"{number} " + draw.choice(pool), "".join(draw.choices(pool, k=draw.randint(2, 5)))]
            if draw.random() < 0.3:
                said += ["".join(draw.choices(pool, k=1)), "".join(draw.choices(pool, k=draw.randint(1, 3)))]
            if draw.random() < 0.2:
                said[1] += draw.choice(some)
            if draw.random() < 0.00002:
                said[0] += RARE[number % 2 * draw.randint(0, 1)] if number % 2 else RARE[2]
            turns = [{"role": "user" if at % 2 == 0 else "assistant", "content": text} for at, text in enumerate(said)]
            file.write(json.dumps({"messages": turns, "topic": f"t{number % 40}"}, ensure_ascii=False) + "\n")
    return path.stat().st_size
