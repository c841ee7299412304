"""The phrases in which an answer refuses, and what makes the same words something else. How they are used: `refusals`."""

from __future__ import annotations

import re

__all__ = ["HINTS", "HONEST", "NOT_MEANT", "REFUSES"]

#: Parts of words one of which is in every phrase.
HINTS = (
    "can't", "can’t", "cannot", "can not", "won't", "won’t", "unable", "not able", "llow", "permit", "declin", "refus",
    "comfortable", "appropriate", "ethical", "possible for me", "guidelines", "polic", "programm", "not something I",
    "position", "will not", "apabilit", "rather not", "prefer not", "have access", "beyond", "denied", "instructed",
    "change the subject", "无法", "不能", "办法", "不便", "方便", "不可以", "不会", "拒绝", "恕", "换个话题", "学习如何",
    "学会", "违反", "违背", "超出", "不宜", "不予", "允许", "权限", "不了",
)

_CANNOT = (
    r"(?:can(?:no|['’])t|can not|won['’]t|will not|could not|(?:['’]m| am) (?:unable|not (?:able|allowed|permitted"
    r"|authori[sz]ed|going|programmed"
    r"|designed|in a position|comfortable(?: with)?)|prohibited from|instructed not) ?(?:to)?|do(?:n['’]t"
    r"| not) feel comfortable)"
)
_HELPS = (
    r"(?:assist|be of (?:assistance|help)|help|aid|provid|fulfil|comply|answer|respond|creat|writ|generat|produc|discuss"
    r"|talk about|support|engag"
    r"|participat|offer|giv|shar|complet|recommend|advis|diagnos|disclos|reveal|promot|condon|encourag|endors|facilitat"
    r"|accommodat|draft|tell you"
    r"|do (?:that|this|so)|satisf|proceed|continue with|process (?:this|that|your)|carry out|translat|suggest|speculat"
    r"|make (?:jokes|statements|comments|predictions))"
)
_RULES = r"(?:guidelines|polic(?:y|ies)|principles|ethics|programming|design|instructions|training)"

_ZH_ALSO = r"(?:也|暂时|目前|现在|恐怕|实在|确实|可能|并|都|真的|因此|所以|只能说)*"
_ZH_CANNOT = r"(?:无法|不能够?|没有?办法|不便|不太?方便|不大方便|不可以|不宜|难以|不会|不予|不被允许|没有?(?:权限|权力|资格))"
_ZH_FOR = r"(?:在此|直接|继续|再|为(?:您|你)|给(?:您|你)|向(?:您|你)|对(?:此|这个|该|这一)?(?:问题|话题|请求)?|就此|具体)*"
_ZH_HELPS = (
    r"(?:提供|回答|作答|协助|帮助|帮(?:您|你|忙|到)|满足|完成(?:您|你|这|该|此)|给出|生成|讨论|谈论|聊|透露|执行|支持|参与|撰写|编写|创作|推荐"
    r"|处理(?:您|你|这|该|此)|回应|答复|评论|发表|分享|告诉(?:您|你)|配合|涉及|诊断|开具|解答|进行|作出|做出|写|(?:这个|该|此)(?:话题|问题|请求))"
)
_ZH_SORRY = r"(?:抱歉|对不起|不好意思|遗憾)[，,、！!。]?\s*(?:但是?|不过)?"

REFUSES: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bI ?{_CANNOT}(?: \w+ly)?(?: be able to)? {_HELPS}",
        rf"\b(?:sorry|unfortunately|apologies),? (?:but )?(?:I )?(?:cannot|can['’]t|unable to) {_HELPS}",
        r"\bI(?: must|['’]ll have to| have to| need to| will have to| am going to)? (?:\w+ly )?(?:decline|refuse)\b",
        r"\bI(?:['’]d| would) (?:rather|prefer) not (?:to )?(?:talk|discuss|answer|say|share|comment|get into)\b",
        r"\bit(?: would(?:n['’]t| not) be| is(?:n['’]t| not)|['’]s not) (?:\w+ly )?(?:appropriate|ethical|right|acceptable"
        r"|possible) for me to\b",
        rf"\b(?:goes|is|are|be) (?:directly )?against (?:my|our|OpenAI['’]s) (?:\w+ )?{_RULES}|\bviolat\w+ (?:my|our"
        rf"|OpenAI['’]s) (?:\w+ )?{_RULES}",
        rf"\bnot within my (?:\w+ )?(?:{_RULES}|capabilities)|\bbeyond my (?:\w+ )?(?:capabilities|abilities|scope)",
        rf"\bmy (?:\w+ )?{_RULES} (?:(?:do|does)(?:n['’]t| not) (?:allow|permit)|prevents?|prohibits?|forbids?)\b",
        r"\b(?:that|this)(?:['’]s| is) (?:not something|outside (?:of )?what|beyond what) I(?:['’]m| am)? (?:can|able"
        r"|comfortable|could|will)\b",
        r"\bI (?:do not|don['’]t) have (?:access to|permission to) (?:that|this|such|the requested|share|provide|discuss)\b",
        r"\byour request (?:has been|was|is|had to be) (?:denied|refused|rejected|declined)\b",
        rf"我(?!们|国|校)(?:[^。！？，,]{{0,14}}[，,])?{_ZH_ALSO}{_ZH_CANNOT}{_ZH_FOR}{_ZH_HELPS}",
        rf"{_ZH_SORRY}(?:我(?!们)|本助手)?(?:这个问题|这一点|该问题|此问题|对此)?{_ZH_ALSO}{_ZH_CANNOT}{_ZH_FOR}{_ZH_HELPS}",
        rf"{_ZH_SORRY}[^。！？]{{0,10}}(?:(?<!们)帮不了(?:您|你|忙)?|帮不上|(?:回答|提供|完成|满足|解答)不了|答不了)",
        r"我(?!们)[^。！？，]{0,6}(?:帮不了(?:您|你)|帮不上(?:您|你|忙)|(?:回答|提供|完成|满足|解答)不了|答不了)",
        r"我(?:的)?(?:设计|程序|规则|原则|准则|设定|开发者)[^。！？]{0,6}(?:不允许|禁止|不让)|不允许我(?:回答|讨论|提供|谈论|参与|分享)",
        rf"恕(?:我)?(?:无法|不能|不便|难){_ZH_FOR}(?:{_ZH_HELPS}|从命|奉告)",
        r"我(?:必须|只能|不得不|需要|要|会)?(?:礼貌地|明确)?拒绝(?:回答|提供|协助|这|您|你|该|参与|此)|(?:请求|要求)(?:已经?)?被(?:拒绝|驳回)",
        r"我(?:还|暂时)?(?:没|没有|未)有?学(?:习|会)(?:如何|怎么|怎样)?回答|我们换个话题|换个话题(?:聊|吧|再)",
        r"(?:您|你|这|该|此)[^。！？]{0,10}(?:请求|要求|问题|内容|话题)[^。！？]{0,6}(?:违反|违背|不符合|超出)[^。！？]{0,20}(?:无法|不能|规定|准则|政策|原则|规范|范围)",
    )
)

#: The same words that mean something else: praise, a shop that is closed, a clause before what the answer does instead.
NOT_MEANT = re.compile(
    r"\b(?:help|do|assist) but\b|recommend\w*[^.!?]{0,40}\b(?:enough|more highly)|\bcan(?:no|['’])t (?:give up"
    r"|offer more than|tell you how)\b"
    r"|\b(?:tonight|today|tomorrow|this (?:week|weekend|morning|afternoon|evening)|right now|until|anymore)\b"
    r"|^\W*(?:while|although|though|since|as|because)\b[^.!?]*, (?:but )?(?:I(?:['’]ll| can| will| could)|here)\b(?!['’]t| not)"
    r"|, (?:but|yet|so) (?:I(?:['’]ll| can| will| could)|here)\b(?!['’]t| not)"
    r"|(?:但|不过|而)(?:是)?(?:我)?(?:可以|能够?|会|愿意)|今[天晚]|明天|周[末一二三四五六日]",
    re.IGNORECASE,
)

#: What makes it an honest "I don't know": the text does not say, something is missing, a question back.
HONEST = re.compile(
    r"\b(?:do(?:es)?|did|is|are|was|were|has|have)(?:n['’]t| not) (?:\w+ )?(?:say|mention|state|contain|include|specif"
    r"|provide|give|given|stated|mentioned"
    r"|specified|included|indicate|attached|shared|described)|\bno (?:information|mention|details?|data)\b"
    r"|\bwithout (?:more|further|additional|knowing|seeing|the|any|access)\b|\bmore (?:information|context|details?)\b"
    r"|\b(?:could|can|would) you (?:please )?(?:provide|clarify|share|tell|give|specify|paste|send)|\bplease (?:provide"
    r"|clarify|share|paste|specify|send)\b"
    r"|\bnot (?:enough|sufficient) (?:information|context|detail)|\bdon['’]t know\b"
    r"|没有(?:提到|提及|说明|给出|包含|写|说|足够|相关|具体|更多|记录)|未(?:提及|提到|说明|给出|记载|写明)"
    r"|(?:资料|文档|原文|文中|材料|手册|合同|文件)[^。！？]{0,8}(?:没|未|不)"
    r"|(?:更多|进一步)的?(?:信息|细节|资料|上下文)|请(?:您|你)?(?:提供|补充|告诉|说明|上传|粘贴)|不知道|不清楚|不确定|缺少|缺乏",
    re.IGNORECASE,
)
