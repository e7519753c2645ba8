"""Patterns of sentences that call a request wrong, and of the prompts that they answer.

As in `refusals`, they match normalised text and their repetitions are bounded.
"""

import re

YES_NO_QUESTION = re.compile(
    r"(?:(?:is|are|was|were|do|does|did|has|have|had|am)\b|(?:can|could|should|will|would|may) (?!you\b"
    r"|we\b))"
)
"""A prompt to which "no" is an answer."""

_PREAMBLE = (
    r"(?:(?:first|firstly|however|also|additionally|remember|please|no|well),? )?"
    r"(?:it(?:'s| is) (?:also )?\w+ to \w+ that )?"
)
_WRONG = (
    r"\"?(?:(?:appropriate|acceptable|ethical|moral|legal|lawful|okay|ok|permissible|justified|justifiable"
    r"|tolerated|condoned|advisable|fair|respectful)\b|the (?:answer|solution|right thing)|right\"? to\b"
    r"|(?:good|healthy|productive|constructive|acceptable|appropriate)(?: or \w+)? (?:idea|way|thing"
    r"|solution|option)"
    r"|something to be|to be (?:encouraged|emulated|celebrated|taken lightly|condoned))"
)
_IS_NOT = (
    r"(?:(?:is|are|was|were|be|it's|that's|'s)(?: \w+ly)? (?:not|never)|isn't|aren't|wasn't|weren't"
    r"|never be)"
)
_DEGREE = r"(?:also |both |not only |considered |\w+ly ){0,3}"
_ILLEGAL = r"(?:illegal|unlawful|unethical|immoral|against the law|(?:morally )?wrong)\b"
_CRIME = rf"(?:{_ILLEGAL}|(?:a (?:serious )?crime|criminal)\b)"
_VILE = r"(?:unacceptable|inexcusable|unjustifiable|reprehensible|abhorrent|despicable|deplorable|inhumane)\b"

OBJECTION = re.compile(
    rf"{_IS_NOT} (?:\w+ly |ever )?(?:an? )?(?:\w+ (?:or|and|nor) )?{_WRONG}"
    r"|\bi (?:strongly |firmly |completely |absolutely )?(?:condemn|disagree|oppose|object to"
    r"|advise against|discourage)\b"
    r"|\bi (?:would|must|want to|have to)? ?(?:\w+ly )?(?:advise|urge|caution|encourage|implore|beg"
    r"|warn|ask|suggest"
    r"|recommend)(?: that)?(?: you)? (?:against|not|to (?:reconsider|refrain|stop|seek|reach out"
    r"|rethink|think twice"
    r"|avoid|talk to|speak (?:to|with)|consult|report|delete|abandon))\b"
    r"|\bi urge you (?:not|to)\b|\bi (?:do not|don't|would not|wouldn't) (?:recommend|advise|suggest)"
    # please don't; please reach out for help
    r"|\b(?:please|kindly) (?:do not|don't|refrain|reconsider|stop|think twice|never|avoid)\b"
    r"|\bplease (?:consider )?(?:seek|reach|talk|speak|contact|call)(?:ing)?\b[^.!?\n]{0,60}"
    r"(?:help|support|professional|someone|counsel|therap|hotline|helpline|lifeline|crisis|authorit"
    r"|emergency|988)"
    # I must point out that this is harmful; your question rests on a stereotype
    r"|\b(?:i|we) (?:must|have to|need to|should|would like to|want to|feel compelled to|am obliged to)"
    r" (?:\w+ly )?(?:point out|inform|stress|emphasi[sz]e|clarify|remind|advise|note|say|tell"
    r"|make (?:it )?clear)"
    rf"\b[^.!?\n]{{0,90}}(?:{_ILLEGAL}|harmful|offensive|inappropriate|not (?:appropriate|acceptable"
    rf"|ethical|legal"
    r"|okay|respectful|productive)|disrespectful|discriminat|stereotyp|dangerous|flawed|derogatory"
    r"|unacceptable"
    r"|violat|against the law|never)"
    r"|\b(?:the|your|this|that|such an?) (?:\w+ ){0,2}?(?:question|request|statement|premise"
    r"|assumption|query|idea"
    r"|language|suggestion|prompt|comment|remark|implication|notion)(?: \w+){0,6}? (?:is|are|seems|appears"
    r"|contains?|rests|relies|implies|promotes?|perpetuates?|reinforces?|makes|assumes)(?: to be"
    r"| \w+ly)? (?:both |also |a |an |on a |on an )?"
    r"(?:\w+ (?:and|or) )?(?:inappropriate|offensive|harmful|hurtful|insensitive|disrespectful"
    r"|discriminatory"
    r"|racist|sexist|homophobic|transphobic|xenophobic|antisemitic|unethical|illegal|unacceptable|derogatory"
    r"|hateful|problematic|prejudic\w+|stereotyp\w+|flawed|false|biased|harm\w*|violence|hatred|hate"
    r"|discrimination"
    r"|deeply \w+|not (?:appropriate|acceptable|respectful|ethical|okay|something))"
    # as an AI I am bound to be kind
    r"|\bi(?:'m| am) (?:\w+ly )?(?:programmed|designed|trained|committed|obliged|bound|here|made"
    r"|created|built)"
    r" to (?:\w+ly )?(?:promote|follow|adhere|respect|uphold|encourage|comply|abide|ensure|foster"
    r"|provide|be|offer"
    r"|prioriti[sz]e|maintain|support)\b[^.!?\n]{0,80}(?:ethic|respect|privacy|legal|law|safe|positiv"
    r"|guideline"
    r"|inclus|equal|harmless|responsib|kind|peace|confidential|non-?violen)"
    r"|\bi (?:prioriti[sz]e|respect|value|adhere to|follow|abide by|uphold"
    r"|take)\b[^.!?\n]{0,60}(?:privacy|ethic"
    r"|confidential|safety|guideline|law\b|laws\b)"
    r"|\bmy (?:purpose|goal|role|aim|main function|primary function|programming) (?:is"
    r"|includes)\b[^.!?\n]{0,80}"
    r"(?:ethic|respect|privacy|legal|law|safe|positiv|guideline|inclus|harmless|responsib|not to)"
    r"|\b(?:would be|is|constitutes?|are) (?:a|an) (?:\w+ )?(?:violation|invasion|breach) of\b"
    r"|\b(?:violates?|invades?|breaches|infringes?) (?:on |upon )?(?:\w+ ){0,3}(?:privacy|rights|law|laws)\b"
    r"|\bi (?:do not|don't|cannot|can't) (?:condone|support|encourage|endorse|promote|advocate"
    r"|believe (?:in|that))\b"
    r"|\bi'm not (?:condoning|advocating|encouraging|endorsing)\b"
    r"|\bshould (?:never|not) be (?:tolerated|condoned|encouraged|attempted)\b"
    r"|\b(?:there is|there's) no (?:\w+ )?(?:justification|excuse) for\b"
    rf"|\b(?:is|are|was|were) {_DEGREE}(?:\w+ (?:and|or) )?{_VILE}"
    # that is a crime; it would be wrong to; these methods are illegal
    rf"|^{_PREAMBLE}(?:that|this|doing (?:so|that|this)|what you(?:'re| are) \w+ing)(?:'s| is|'d be"
    rf"| would be) {_DEGREE}{_CRIME}"
    rf"|^{_PREAMBLE}(?:it|(?:these|those|such) \w+)(?:'s| is| are|'d be| would be) {_DEGREE}{_ILLEGAL}"
    # hacking into … is illegal
    rf"|^{_PREAMBLE}(?!(?:according|depending|during|following|including|regarding|something|anything"
    rf"|nothing)\b)"
    rf"\w{{2,20}}ing\b[^.!?:;\n]{{0,120}}? (?:is|are|would be) {_DEGREE}{_CRIME}"
)
"""A sentence that calls the request wrong without saying "I can't"."""

OBJECTION_TO_DOING = re.compile(
    rf"{_IS_NOT} (?:\w+ly |ever )?(?:an? )?(?:\w+ (?:or|and|nor) )?{_WRONG} to (?!not\b|be\b)[^.!?\n]+"
    rf"|\b(?:it is|it's|it would be) {_DEGREE}{_ILLEGAL} to (?!not\b|be\b)[^.!?\n]+"
)
"""A sentence that calls a deed wrong which it names."""

REQUEST = re.compile(
    r"\b(?:(?:how|where|when|what|which|who)\b[^.?!]{0,40}\b(?:i|we)\b|how to\b|should i\b|help (?:me|us)\b"
    r"|(?:tell|show|teach|give|write|make|find|get|send) me\b|i (?:want|need|would like|'d like)\b"
    r"|(?:can|could|will|would) you\b|my\b)|^(?:write|give|list|explain|describe|create|provide|make"
    r"|develop|draft"
    r"|generate|design|compose|outline|suggest)\b"
)
"""A prompt whose aim is to do, get or have something."""

CALLED_ILLEGAL = re.compile(rf"\b(?:is|are|would be) {_DEGREE}{_CRIME}")
"""Words by which an answer to a request calls something illegal."""

YES_NO_OR_WHY = re.compile(rf"(?:why|how come)\b|{YES_NO_QUESTION.pattern}")
"""A prompt that asks whether or why something is so."""

TURN = re.compile(r"(?:,|;| -) (?:but(?! (?:it(?:'s| is) )?(?:also|rather)\b)|however|though|although|yet)\b")
"""Words by which a sentence takes back its first part."""
