"""The phrases in which a model speaks of itself, of its training, or takes its leave. How they are looked for: `boilerplate`.

CLAUSES can be taken off a sentence that is good without them, unless what remains is IDLE; of a sentence with one of SENTENCES
nothing is left; CLOSINGS count at the end of an answer only.
"""

from __future__ import annotations

import re

__all__ = ["CLAUSES", "CLOSINGS", "HINTS", "IDLE", "SENTENCES"]

#: Parts of words one of which is in every phrase; case as it is written.
HINTS = (
    "AI", " ai ", " ai,", "language model", "anguage model", "earning model", "chatbot", "rtificial", "computer program",
    "virtual assistant", "GPT", "Gemini", "Claude", "Bard", "Qwen", "DeepSeek", "Baichuan", "Kimi", "LLaMA", "Llama",
    "Mistral", "Copilot", "ERNIE", "Ernie",
    "knowledge", "train", "last update", "cutoff", "personal", "feelings", "real-time", "internet",
    "browse", "hope ", "Hope ", "et me know", "eel free", "hesitate", "here to help", "here to assist", "人工智能", "模型",
    "机器人", "智能", "虚拟助", "文心", "通义", "豆包", "星火", "混元", "智谱", "Ai", "训练", "知识", "情感", "意识", "个人",
    "互联网", "网络", "实时", "希望", "随时", "尽管",
)

# --- what a model calls itself ----------------------------------------------------------------------------------------

_NAMES = (
    r"(?:ERNIE(?: Bot)?"
    r"|Chat-?GPT|GPT-?[345]\w*|Claude|Bard|Gemini|Copilot|LLaMA|Llama|Vicuna|Alpaca|Koala|Open ?Assistant|Qwen|DeepSeek"
    r"|Mistral|Baichuan"
    r"|Kimi|ChatGLM|GLM-?\d*|Grok|Ernie(?: Bot)?|Doubao|Hunyuan|MOSS)"
)
_MAKERS = (
    r"(?:OpenAI|Anthropic|Google|DeepMind|Meta|Microsoft|Alibaba|Baidu|Tencent|ByteDance|DeepSeek|Mistral|Hugging ?Face|LAION"
    r"|Zhipu|Moonshot)"
)
_MIND = (
    r"(?:(?:large|generative|general|text-based|conversational|advanced|virtual|helpful|neutral)[ ,]+){0,3}"
    r"(?:(?:AI|A\.I\.|artificial intelligence|machine learning)(?:[- ](?:powered|based))?"
    r"(?: (?:large |virtual |text-based |generative |conversational )?(?:language |text |chat )?"
    r"(?:model|assistant|chat ?bot|bot|system|program|tool|entity|agent|AI))?"
    r"|(?:large )?(?:language|text) model(?: AI)?|chat ?bot|computer program|virtual assistant(?=,? (?:powered|trained"
    r"|developed|created)))"
)
_MADE = (
    r"(?:,? (?:that (?:was|is) )?(?:trained|developed|created|made|built|designed|powered|programmed) (?:by|to|on|for)\b"
    r"(?:[^.!?,\n]|(?:Inc|Ltd|Co|Corp)\.){0,60})?"
)

_WAS = r"I(?: was|['’]ve been| have been|['’]m| am)"

_ZH_NAMES = (
    r"(?:(?:文心一言|通义千问|通义|讯飞星火|星火|智谱清言|豆包|混元|盘古|百川|悟道|天工|小爱同学|小度"
    rf"|(?i:{_NAMES}))(?:大模型|大语言模型|智能)?)"
)
_ZH_MAKERS = (
    r"(?:百度|阿里\w{0,4}|腾讯|华为|字节\w{0,2}|科大讯飞|智谱\w{0,2}|清华\w{0,4}|谷歌|微软|深度求索|月之暗面|[^，。！？\s]{2,12}(?:公司|团队|实验室)"
    rf"|{_MAKERS})"
)
_ZH_MIND = (
    r"(?:[^，。！？、\s我你您]{0,14}的)?(?:大型|先进的|智能|虚拟|通用|生成式){0,2}"
    r"(?:(?:人工智能|(?i:AI))(?:大?语言|大|文本|对话|聊天|智能|虚拟)?(?:模型|助手|助理|机器人|程序|系统)?"
    r"|大?(?:语言|文本|对话)模型|大模型|(?:聊天|对话|问答)机器人|智能(?:助手|助理|机器人|客服)|虚拟(?:助手|助理)|计算机程序|机器学习模型)"
)
_ZH_ONE = r"(?:一个|一名|一位|一款|一种|您的|你的)?"
_ZH_I = r"(?:虽然|尽管|但)?我(?!们|国|校|希望[你您]|想[让请]|要求|需要[你您])"

# --- in a sentence ----------------------------------------------------------------------------------------------------

CLAUSES: dict[str, tuple[re.Pattern[str], ...]] = {
    "self": (
        re.compile(
            r"\b(?:(?:in my (?:role|capacity|position) )?as|being|(?:since|because|although|though|while) I(?:['’]m"
            r"| am)) (?:just |only |merely |simply )?"
            rf"(?:(?:an?|your|the) {_MIND}|{_NAMES})(?:{_MADE},? | (?:and|that|which|with|without) [^.!?,\n]{{3,40}}, )"
            r"(?=(?:i|my|it(?:'s| is) (?:not|important|beyond|my))\b(?! (?:want|need|would like) you))",
            re.IGNORECASE,
        ),
        re.compile(rf"(?:作为|身为){_ZH_ONE}(?:{_ZH_MIND}{_ZH_NAMES}?|{_ZH_NAMES})(?:来说|而言)?[，,、]?\s*(?={_ZH_I}|没有|无法|不能)"),
        re.compile(rf"(?:以|从){_ZH_ONE}(?:{_ZH_MIND}|{_ZH_NAMES})的(?:身份|角度|立场|视角)(?:来看|来说|出发|看)?[，,]\s*"),
    ),
    "training": (
        re.compile(
            r"\b(?:as of|based on|according to|up to|since|until|to|at the time of) my (?:(?:last|latest|most recent"
            r"|current) )?"
            r"(?:(?:knowledge|training)(?: data| base)?[- ](?:cut-?off|update)|training(?: data)?|(?<=last )update"
            r"|(?<=latest )update)(?: date)?"
            r"(?:,? (?:which is |is )?(?:(?:in|of|from|up to|until|as of|on) )?(?:[A-Z][a-z]+ )?(?:\d{1,2}, )?\d{4})?(?:,\s*"
            r"|(?=[.:;!?)\n]|\Z))",
            re.IGNORECASE,
        ),
        re.compile(
            r"(?:截至|截止到?|根据|基于|按照)(?:目前)?我(?:的|所)?(?:最后|最近|上)?(?:一次)?(?:的)?(?:知识|训练|数据)(?:库|数据)?(?:的)?"
            r"(?:截止|截至|更新)?(?:日期|时间|数据)?(?:[（(]?[^，。！？]{0,14}[）)]?)?[，,]\s*"
        ),
    ),
}

SENTENCES: dict[str, tuple[re.Pattern[str], ...]] = {
    "self": (
        re.compile(
            rf"\b[Ii](?:['’]m| am) (?:just |only |merely |simply |still |actually )?(?:(?:an? "
            rf"|your )?{_MIND}(?=[ ,.;!?—-]*(?:[.,;!?—\n]|\Z"
            rf"|(?:and|so|that|which|who|without|with|but|not|here|running|trained|developed|created|made|built|designed"
            rf"|programmed)\b))"
            rf"|{_NAMES}\b)"
        ),
        re.compile(rf"\b[Mm]y name is {_NAMES}\b|\bI, (?:as|being) (?:an? {_MIND}|{_NAMES}),"),
        re.compile(
            r"\b(?:[Tt]his|[Tt]he above) (?:answer|response|reply|text|content|message|article)(?: was| is| has been) (?:\w+ )?"
            rf"(?:generated|written|produced|created|provided) (?:by|with|using) (?:an? )?(?:{_MIND}|{_NAMES})"
        ),
        re.compile(
            r"\bI (?:do not|don['’]t|cannot|can['’]t) (?:have|possess|hold|experience|feel|form) (?:any |real |human "
            r"|my own )?(?:"
            r"personal (?:experiences?|opinions?|beliefs?|feelings?|preferences?|emotions?|views?|thoughts?)"
            r"|(?:feelings?(?: or|,| and) )?emotions?\b|feelings(?= like\b| the way\b|[.,])|consciousness|a physical (?:body"
            r"|form|presence)"
            r"|(?:access to )?(?:real-?time|up-to-date|live) (?:data|information|access|news)|access to the internet)"
        ),
        re.compile(r"\bI (?:cannot|can['’]t|am (?:not able|unable) to) (?:browse|access) the (?:internet|web)\b"),
        re.compile(
            rf"(?:我|本(?:助手|机器人))(?:只|仅|仅仅|只不过|其实|本质上|毕竟)?(?:只)?是{_ZH_ONE}(?:{_ZH_MIND}{_ZH_NAMES}?|{_ZH_NAMES})"
            r"(?=[，,。！!；;、（(\s]|而已|\Z|叫|名叫|名为)"
        ),
        re.compile(rf"我(?:的名字)?叫(?:做)?{_ZH_NAMES}"),
        re.compile(
            rf"(?:本|此|该|这(?:个|段|篇|条|份)?|以上)(?:回答|答案|内容|回复|文章?|文本)(?:均)?(?:是)?由(?:{_ZH_MIND}|{_ZH_NAMES})[^，。！？]{{0,6}}"
            r"(?:生成|撰写|提供|创作|给出|编写)"
        ),
        re.compile(
            r"我(?:并)?(?:没有|不具备|不具有|无法拥有)(?:任何)?(?:个人|真实|自我|主观|人类|自己)的?"
            r"(?:情感|感情|感受|情绪|意识|观点|看法|经历|经验|偏好|喜好|意见)|我(?:并)?(?:没有|不具备|不具有)(?:(?:情感|意识|实体|身体)(?=[，。、；！,;!和与或]|\Z)|实时(?:数据|信息))"
        ),
        re.compile(r"我(?:无法|不能|没有办法)(?:直接)?(?:访问|浏览|连接|获取|使用)(?:互联网|网络|外部网站|实时(?:数据|信息|新闻))"),
    ),
    "training": (
        re.compile(
            rf"\b{_WAS} (?:\w+ )?(?:trained|developed|created|built|made|designed) by (?:\w+ ){{0,4}}{_MAKERS}\b"
            rf"|\b{_WAS}(?: only)? trained on (?:a|data|text|vast|large|massive|diverse|information|up to)\b"
        ),
        re.compile(
            r"\b[Mm]y (?:knowledge(?: base)?|training(?: data)?|information)(?:'s)? (?:cut-?off|only|is (?:limited|current"
            r"|based|up)"
            r"|(?:was|were|is) last|goes|ends|stops|does not|doesn['’]t|may (?:not )?be|includes|extends)\b"
            r"|\b[Mm]y (?:last |latest )?(?:knowledge|training)(?: data)?[- ](?:cut-?off|update)\b|\b[Mm]y training data\b"
        ),
        re.compile(rf"我(?:是)?(?:由|被|经){_ZH_MAKERS}[^，。！？]{{0,10}}(?:训练|开发|研发|打造|创建|推出|设计)"),
        re.compile(r"我是(?:由|通过|基于|经过)[^，。！？]{2,20}(?:训练|开发|研发)(?:而成|出来|得到)?的"),
        re.compile(
            r"我(?:的)?(?:知识库?|训练数据|数据库?|信息)(?:的)?(?:截止|截至|只?更新|只到|仅到|停留|仅限|来(?:源|自))|我的训练数据"
            r"|我的(?:回答|知识|信息|答案)[^，。！？]{0,4}(?:来自|基于|源自|依据)[^，。！？]{0,4}训练"
            r"|我(?:接受|经过)过?的?训练"
        ),
    ),
}

#: What is left of such a sentence when the clause is off, and still speaks of nothing but the model.
IDLE = (
    re.compile(
        r"\b(?:I(?:['’]m| am)? (?:aim|strive|try|rely|designed|programmed|happy to help|neutral)\b|[Mm]y (?:\w+ )?(?:purpose"
        r"|goal|aim|function|role|task) is\b"
        r"|I (?:cannot|can['’]t) (?:experience|taste|smell|see|feel|give you first-hand)|I have (?:not|never) (?:tried|tasted"
        r"|been|seen)\b|I have no)"
    ),
    re.compile(r"我(?:会|将)?(?:尽力|努力|致力|旨在|很乐意|的(?:目标|任务|职责|宗旨|使命)是|没有(?:吃|去|用|试|见|体验|亲身)|(?:无法|不能)(?:亲身|亲自|品尝|体验))"),
)

# --- at the end of an answer ------------------------------------------------------------------------------------------

CLOSINGS: tuple[re.Pattern[str], ...] = (
    re.compile(
        r"\b(?:I (?:do )?)?[Hh]ope (?:that )?(?:this|that|these|those|the above|it|my|I)\b[^.!?\n]{0,80}?"
        r"\b(?:help\w*|useful|answers?|answered|clarif\w+|clear|makes? sense|guid\w+|of use|assist\w*)\b(?! a (?:little|bit))"
    ),
    re.compile(
        r"\b(?=[^.!?\n]{0,160}(?:\b[Ii]f (?:you|there)\b|\bany (?:other|further|more|questions?)\b"
        r"|\bquestions\b))[^.!?\n]{0,120}?"
        r"\b(?:[Ff]eel free|(?:do not|[Dd]on['’]t|never) hesitate) to (?:ask|let me know|reach out(?: to me)?|contact me"
        r"|tell me|message me|share)\b(?! us)"
    ),
    re.compile(
        r"\b[Ll]et me know (?:if|in case|whether|should) (?:you|there|this|I|any|that|anything)\b"
        r"|\b[Ii]f you (?:need|have|want|would like|'d like)\b[^.!?\n]{0,60}\b(?:let me know|just ask|ask away|I(?:['’]m"
        r"| am) here to help)\b"
    ),
    re.compile(r"\bI(?:['’]m| am) (?:always )?here to (?:help|assist)(?: you)?\b"),
    re.compile(
        r"希望(?:我的|本|以上|上述|上面|这些?|这个|这份|前面|我)?的?[^，。！？\n]{0,14}?(?:(?:对|给)(?:您|你|大家|各位|楼主|题主)们?[^，。！？\n]{0,6}帮助"
        r"|能?够?(?:帮助到?|帮到|解答|解决|满足)到?(?:您|你|大家)[^。！？\n]{0,12}|(?:有所|有|能有)帮助)"
    ),
    re.compile(
        r"(?:还|仍|再)?有(?:任何|其他|其它|更多|什么|别的|不明白的|不清楚的|相关)[^。！？\n]{0,10}(?:问题|疑问|需要|需求|地方|想法)[^。！？\n]{0,8}"
        r"(?:随时|尽管|欢迎|告诉我|问我|继续)[^。！？\n]{0,12}(?:提问|提出|告诉我|问我|向我|咨询我?|找我|联系我(?!们)|交流|追问|留言)"
    ),
    re.compile(r"随时(?:向我|跟我|和我|问我|告诉我|找我|提问|追问)"),
)
