"""Words that an answer does not end with, and words that end letters and answers without a full stop."""

from __future__ import annotations

import re

__all__ = ["HANGING", "HANGING_AFTER_SENTENCES", "HANGING_IN_SENTENCE", "PARTING"]

#: Nothing that is whole ends so, in whatever style: articles, conjunctions, 和 that is not the end of 温和.
HANGING = re.compile(
    r"\b(?:the|an|and|or|because|although|whereas|into|its|their|your|our|my|than|unless|whose|via|and/or|including|such as"
    r"|e\.g\.|i\.e\.|(?:in|with|of|to|for|on|at|by|from|is|was|as|has|have|needs?) an?)\Z"
    r"|(?:以及|因为|由于|但是|而且|并且|或者|如果|虽然|为了|对于|关于|例如|比如|包括|根据|按照|一种|这种|这些|其中|从而|使得)\Z"
    r"|(?<![饱柔温缓平总随谦祥调共中附暖之])和\Z|(?<![参赠给授])与\Z|(?<![普涉得不波顾提危触埃遍殃论以])及\Z"
)

#: Nor so where sentences before it have their marks: what asks for one more word, but may end a title or a short answer.
HANGING_AFTER_SENTENCES = re.compile(
    r"\b(?:a|of|to|by|as|from|with|is|are|was|were|be|been|if|very|which)\Z|(?<!比)较\Z|[很更最]\Z"
    r"|(?:即将|正在|能够|所以|因此|此外|另外|同时|首先|其次|最后|然后)\Z"
)

#: Nor so in a sentence of seven words and more, although it may be the only one.
HANGING_IN_SENTENCE = re.compile(r"\A[A-Z\"'“]\S*(?:\s+\S+){5,}\s+(?:of|to|if|by|from|a|an)\Z")

#: How letters and answers are closed without a mark.
PARTING = re.compile(
    r"\W*(?:(?:best|kind|warm|warmest|many|with)?\s*(?:regards|wishes|thanks|love)|(?:yours\s)?(?:sincerely|truly|faithfully"
    r"|respectfully"
    r"|cordially)|sincerely yours|yours|cheers|dear\b.{0,30}|(?:thank you|thanks|good luck|hope (?:this|that"
    r"|it) helps)\b.{0,30}|the end"
    r"|amen|(?:祝|谢谢|感谢|多谢|加油|再见|晚安|保重|望采纳|希望|此致|答案|故?选)[^。，]{0,20}|敬礼|敬上|谨启|(?:全文)?完|未完待续)\W*\Z",
    re.IGNORECASE,
)
