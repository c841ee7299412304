"""The phrases in which a model speaks of itself, of its training, or takes its leave. How they are looked for: `boilerplate`.

CLAUSES can be taken off a sentence that is good without them; of SENTENCES nothing is left; CLOSINGS count at the end of an
answer only, where no letter ends.
"""

from __future__ import annotations

import re

__all__ = ["CLAUSES", "CLOSINGS", "HINTS", "SENTENCES"]

#: Words without which there is no phrase; looked for first.
HINTS = (
    "AI", "language model", "learning model", "chatbot", "artificial", "computer program", "ChatGPT", "GPT", "knowledge", "train", "last update",
    "cutoff", "personal", "feelings", "I don't have", "I do not have", "real-time", "hope", "let me know", "free to", "hesitate", "further assist",
    "人工智能", "模型", "机器人", "智能助", "我是", "我叫", "训练", "知识", "情感", "无法", "截至", "截止", "希望", "随时", "欢迎", "更新",
)  # fmt: skip

_MIND = (
    r"(?:(?:large|generative|general|text[- ]based|conversational|advanced|virtual|helpful)[ ,]+){0,3}"
    r"(?:(?:AI|A\.I\.|artificial intelligence|machine learning|natural language processing)(?:[- ]?(?:powered|based))?\s?"
    r"(?:(?:large )?language |text |chat )?(?:models?|assistant|chat ?bot|bot|system|program|tool|entity|agent|AI)?"
    r"|(?:large )?language model(?: AI)?|chat ?bot|computer program|machine learning model)"
)
_MADE = r"(?:,? (?:trained|developed|created|made|built|designed|powered|programmed) (?:by|to|on|for)\b[^.!?,\n]{0,80})?"
_MAKERS = r"(?:OpenAI|Anthropic|Google|DeepMind|Meta|Microsoft|Alibaba|Baidu|Tencent|ByteDance|DeepSeek|Mistral|Hugging ?Face|LAION|Zhipu)"
_NAMES = r"(?:Chat-?GPT|GPT-?[345]\w*|Claude|Bard|Gemini|Copilot|Bing Chat|LLaMA|Vicuna|Alpaca|Koala|Open ?Assistant|Qwen|DeepSeek|Mistral|Llama)"

_ZH_MIND = (
    r"(?:[^，。！？\s我你您]{0,12}的)?(?:大型|先进的|智能|虚拟|通用)?(?:(?:人工智能|AI|Ai|ai|A\.I\.)(?:大?语言|大|对话|聊天|智能)?(?:模型|助手|助理|机器人|程序|系统|大模型)?"
    r"|(?:大型?)?语言模型|大模型|聊天机器人|对话机器人|智能(?:助手|助理|机器人|客服助手)|虚拟助手|计算机程序|机器学习模型)"
)
_ZH_NAMES = r"(?:Chat-?GPT|GPT-?[345]\w*|文心一言|通义千问|讯飞星火|星火|智谱清言|豆包|混元|盘古|百川|MOSS|ChatGLM\w*|Kimi|DeepSeek|Claude|小爱同学|小度)"
_ZH_MAKERS = r"(?:OpenAI|百度|阿里\w{0,3}|腾讯|华为|字节\w{0,2}|科大讯飞|智谱\w{0,2}|清华\w{0,4}|谷歌|微软|Meta|Google|Anthropic|深度求索|月之暗面|[^，。！？\s]{2,12}(?:公司|团队|实验室))"

CLAUSES: dict[str, tuple[re.Pattern[str], ...]] = {
    "self": (
        re.compile(
            rf"\b(?:as|since I(?:'m| am)|because I(?:'m| am)|being) (?:just |only |merely |simply )?an? {_MIND}{_MADE}, ?"
            r"(?=(?:I|my|it(?:'s| is) (?:not|important|beyond|my))\b(?! (?:want|need|would like) you))",
            re.IGNORECASE,
        ),
        re.compile(rf"作为(?:一个|一名|一位|一款|一种)?{_ZH_MIND}[，,、]?\s*(?=(?:虽然|尽管|但)?我(?![们国校司家要希想])|本(?:人|模型|助手)|没有|无法|不能)"),
    ),
    "training": (
        re.compile(
            r",? ?\b(?:as of|based on|according to|up to|since|until|to|at the time of) my (?:last |latest |most recent |current )?"
            r"(?:knowledge|training|update|information)(?: data| base)?(?:[- ]?(?:cut-?off|update|data))?(?: date)?"
            r"(?:,? (?:which is |is )?(?:in|of|from|up to|until|as of|on) [^,.;!?\n]{3,30})?(?:,\s*|(?=[.;!?\n]))",
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
            rf"\bI(?:'m| am|’m) (?:just |only |merely |simply |still |actually )?(?:an? |your )?(?:{_MIND}(?=[\s,.;!?—-]*(?:[.,;!?—\n]|$|and\b|so\b"
            rf"|that\b|which\b|who\b|without\b|with\b|but\b|not\b|here\b|running\b|trained|developed|created|made|built|designed|programmed))"
            rf"|{_NAMES}\b)"
        ),
        re.compile(rf"\b[Mm]y name is {_NAMES}\b"),
        re.compile(
            r"\bI (?:do not|don['’]t|cannot|can['’]t) (?:have|possess|hold|experience|feel|form) (?:any |real |human |my own )?(?:"
            r"personal (?:experiences?|opinions?|beliefs?|feelings?|preferences?|emotions?|views?|thoughts?)"
            r"|(?:feelings?(?: or|,| and) )?emotions?\b|feelings(?= like\b| the way\b|[.,] |\.$)|consciousness|a physical (?:body|form|presence)"
            r"|(?:access to )?(?:real-?time|up-to-date|live) (?:data|information|access|news)|access to the internet)"
        ),
        re.compile(r"\bI (?:cannot|can['’]t|am (?:not able|unable) to) (?:browse|access) the (?:internet|web)\b"),
        re.compile(
            rf"我(?:只|仅|仅仅|只不过|其实|本质上|毕竟)?(?:只)?是(?:一个|一名|一位|一款|一种|您的|你的)?(?:{_ZH_MIND}|{_ZH_NAMES})"
            rf"(?=[，,。！!；;、（(\s]|而已|$|叫|名叫|名为)"
        ),
        re.compile(rf"我(?:的名字)?叫(?:做)?{_ZH_NAMES}"),
        re.compile(r"我(?:并)?(?:没有|不具备|不具有|无法拥有)(?:任何)?(?:个人|真实|自我|主观|人类|自己)(?:的)?(?:情感|感情|感受|情绪|意识|观点|看法|经历|经验|偏好|喜好|意见)"),
        re.compile(r"我(?:并)?(?:没有|不具备|不具有)(?:情感|意识|实时(?:数据|信息)|实体|身体)"),
        re.compile(r"我(?:无法|不能|没有办法)(?:直接)?(?:访问|浏览|连接|获取|使用)(?:互联网|网络|外部网站|实时(?:数据|信息|新闻))"),
    ),
    "training": (
        re.compile(rf"\bI(?: was|'ve been| have been|'m| am) (?:\w+ )?(?:trained|developed|created|built|made|designed) by (?:the team at )?{_MAKERS}\b"),
        re.compile(r"\bI(?: was|'ve been| have been|'m| am)(?: only)? trained on (?:a|data|text|vast|large|massive|diverse|information|up to)\b"),
        re.compile(r"\b[Mm]y (?:knowledge(?: base)?|training(?: data)?|information)(?:'s)? (?:cut-?off|only|is (?:limited|current|based|up)|(?:was|were|is) last|goes|ends|stops|does not|doesn't|may (?:not )?be|includes|extends)\b"),
        re.compile(r"\b[Mm]y (?:last |latest )?(?:knowledge|training)(?: data)?[- ](?:cut-?off|update)\b|\b[Mm]y training data\b"),
        re.compile(rf"我(?:是)?(?:由|被|经){_ZH_MAKERS}[^，。！？]{{0,10}}(?:训练|开发|研发|打造|创建|推出|设计)"),
        re.compile(r"我是(?:由|通过|基于|经过)[^，。！？]{2,20}(?:训练|开发|研发)(?:而成|出来|得到)?的"),
        re.compile(r"我(?:的)?(?:知识库?|训练数据|数据库?|信息)(?:的)?(?:截止|截至|更新|只到|仅到|停留|仅限|来(?:源|自))|我的训练数据|我(?:接受|经过)(?:过)?(?:的)?训练"),
    ),
}

CLOSINGS: tuple[re.Pattern[str], ...] = (
    re.compile(
        r"(?:^|\b)(?:I (?:do )?)?[Hh]ope (?:that )?(?:(?:this|that|these|those|the above|it|my|I)\b)[^.!?\n]{0,80}?"
        r"\b(?:help\w*|useful|answers?|answered|clarif\w+|clear|makes? sense|guid\w+|of use|assist\w*)\b"
    ),
    re.compile(
        r"\b(?:[Ff]eel free|(?:do not|don['’]t|never) hesitate) to (?:ask|let me know|reach out(?: to me)?|contact me|tell me|message me|share)\b(?! us)"
    ),
    re.compile(
        r"\b[Ll]et me know (?:if|in case|whether|should) (?:you|there|this|I|any|that|anything)\b|\b[Ii]f you (?:need|have|want|would like|'d like)\b[^.!?\n]{0,60}"
        r"\b(?:let me know|just ask|ask away|I(?:'m| am) here to help)\b"
    ),
    re.compile(r"\bI(?:'m| am) (?:always )?here to (?:help|assist)(?: you)?\b(?=[^.!?\n]{0,40}[.!])"),
    re.compile(
        r"希望(?:我的|本|以上|上述|上面|这些?|这个|这份|前面|我)?(?:的)?[^，。！？\n]{0,14}?(?:(?:对|给)(?:您|你|大家|各位|楼主|题主)(?:们)?[^，。！？\n]{0,6}帮助"
        r"|能?够?(?:帮助到?|帮到|帮上|解答|解决|满足|解除)(?:到)?(?:您|你|大家|一点|一些|忙)[^。！？\n]{0,12}|(?:有所|有|能有)帮助|有用)"
    ),
    re.compile(
        r"(?:如果?|若|要是|假如)?(?:您|你)?(?:还|仍|再)?有(?:任何|其他|其它|更多|什么|别的|不明白的|不清楚的|相关)[^。！？\n]{0,10}(?:问题|疑问|需要|需求|地方|想法)[^。！？\n]{0,6}[，,]?"
        r"[^。！？\n]{0,4}(?:请)?(?:您|你)?(?:可以)?(?:随时|尽管|欢迎|告诉我|问我|继续)[^。！？\n]{0,12}(?:提问|提出|告诉我|问我|向我|咨询我?|找我|联系我(?!们)|交流|追问|留言|说)"
    ),
    re.compile(r"(?:欢迎|请|可以)?随时(?:向我|跟我|和我|问我|告诉我|找我|提问|追问)"),
)
