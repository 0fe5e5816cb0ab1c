"""The sentences of providers, as data: ordered rules from wording to kind.

Owns the wording that is telling wherever it stands; what needs company is in `loose_words`. The rules are tried in
order and the first that matches wins, so what could be mistaken for something later in the list stands earlier ("too
many tokens per minute" before "too many tokens").

Patterns are written for `Evidence.text`: lower case, one line, straight quotes, URLs reduced to hosts. A pattern may
run over several lines: line breaks and the indentation behind them are not part of it. Digits of a status are no
pattern here, so a "429" inside another number can decide nothing. Every repetition is bounded.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from shared_core.errors import ErrorKind

__all__ = ["RULES", "SentenceRule"]

# Any character of one sentence: a full stop inside "gpt-4.1" does not end it.
_S: Final = r"(?:[^.!?|]|\.(?=\S))"
_MAX_TOKENS: Final = (
    r"(?<![a-z_])(?:max_tokens|max_completion_tokens|max_output_tokens|max_new_tokens|max_tokens_to_sample|"
    r"maxoutputtokens|"
    r"maxtokens|max_gen_tokens|num_predict|n_predict|max[ -]tokens|max(?:imum)? (?:output|"
    r"completion) tokens)(?![a-z_])"
)
_KEY: Final = (
    r"(?:api[ _-]?keys?|x-api-key|(?:access|auth|authentication|bearer|jwt|iam|oauth|security|id) ?tokens?|"
    r"subscription key|"
    r"credentials?|access key|secret key|authorization header|令牌|密钥)"
)
_WRONG: Final = (
    r"(?:invalid|not valid|incorrect|expired|revoked|missing|not (?:be )?found|not provided|required|wrong|"
    r"disabled|deleted|"
    r"unauthorized|not set|leaked|denied|blocked|malformed|mismatch|无效|错误|过期)"
)


class SentenceRule(NamedTuple):
    """Wordings that mean one kind."""

    kind: ErrorKind
    patterns: tuple[str, ...]


RULES: Final = (
    # A locked account often tells of "violations"; that is no filtered prompt.
    SentenceRule(
        ErrorKind.BALANCE,
        (
            r"suspended,? (?:possibly )?due to",
            r"(?:failure to pay|past (?:due )?invoices|unpaid|overdue|past[- ]due|arrears|delinquent)",
            r"(?:requires?|need) more credits|can only afford|(?:extra usage|usage credits?) (?:is|are) required",
            # OpenRouter's keys carry a spending limit of their own.
            r"free allocated quota|free quota (?:has been |is )?(?:exceeded|used)",
            r"key (?:total |monthly |weekly |daily )?limit exceeded|key with a higher",
        ),
    ),
    SentenceRule(
        ErrorKind.AUTH,
        (
            r"""
                (?:account|organi[sz]ation|project|user|key)\b(?: \S{1,60}){0,2} (?:has been |is |was |
                have been )?(?:currently |temporarily )?(?:deactivated|disabled|blocked|banned|locked|
                suspended|terminated|restricted)
            """,
            r"account (?:was|has been|is) flagged|access (?:was|has been) terminated",
            r"violation of provider terms",
            r"(?:account|key) (?:is )?(?:inactive|irregular)",
            r"账[号户](?:已|被|处于).{0,6}(?:封|锁|禁|冻结|异常)",
        ),
    ),
    SentenceRule(
        ErrorKind.CONTENT_FILTER,
        (
            r"content[ _-](?:management|filter|policy|polic|moderation|safety|security|exists risk|violation)",
            r"""
                (?:output|response|prompt|input|content|message|request)s? (?:is |was |were |has been |
                have been |been )?(?:blocked|filtered|flagged|rejected) (?:by|as|due|because|for|under)
            """,
            rf"blocked by{_S}{{0,60}}(?:polic|filter|safety|guardrail|moderation)",
            r"responsible ?ai",
            rf"content\b{_S}{{0,60}} blocked",
            r"\bflagged\b",
            rf"violat{_S}{{0,80}}(?:polic|terms|guideline|rules|usage|standards)",
            r"safety (?:system|settings?|filters?|reasons?|polic\w+|guidelines|ratings?|checks?)",
            r"""
                (?:inappropriate|sensitive|unsafe|prohibited|harmful|objectionable|illegal|nsfw) (?:content|
                information|text|words?|input|output|material|generation|prompt)
            """,
            r"(?:may|might) contain (?:sens?i?tive|sensitive|inappropriate|unsafe|severe)",
            r"data[ _]?inspection",
            r"finish_?reason\W{1,4}(?:safety|content_filter|recitation)",
            r"block_?reason",
            r"(?:is |was )?considered high[ -]risk|request was rejected because|high risk",
            r"moderation",
            r"guardrail(?!s? restrictions)",
            r"敏感|违规|违法|不安全|内容安全|内容审[核查]|不良信息|合规|风控|涉政|涉黄|不当内容",
        ),
    ),
    # Requests that name a parameter as unknown look like ceilings ("max_tokens is not supported").
    SentenceRule(
        ErrorKind.BAD_REQUEST,
        (
            r"""
                (?:unsupported|unknown|unrecognized|unexpected|extra) (?:request )?(?:parameters?|
                arguments?|fields?|keyword|inputs?)\W{1,3}(?:supplied|are|'|\"|:|name)(?! ?'?(?:max_|
                model))
            """,
            r"(?:unsupported|unknown|unrecognized) (?:request )?(?:parameters?|arguments?|fields?)",
            r"\bonly supports? stream|extra inputs are not permitted|unsupported value|extra_forbidden",
            r"'(?:max_tokens|max_completion_tokens|temperature|top_p|stop)' is not supported",
            r"(?:argument|parameter)s? not supported",
            r"no endpoints found that (?:support|can handle)",
            r"""
                does not support (?:tool|function|image|vision|system|streaming|parameter|json|response|
                structured|audio|the parameter|assistant|thinking|reasoning|multi|stop|logprobs|chat|
                prefill|developer)
            """,
        ),
    ),
    # Go's words for a timer that ran out: its context is no model's.
    SentenceRule(ErrorKind.TRANSIENT, (r"context (?:deadline exceeded|cancell?ed)",)),
    SentenceRule(
        ErrorKind.CONTEXT_EXCEEDED,
        (
            r"(?:request|prompt|body) too large for",
            r"max_tokens must be at least 1, got -",
            rf"maximum context length{_S}{{0,30}}(?: is| of|:|,)",
            rf"too large for model with {_S}{{0,20}}context",
            r"tokens'? \+ '?max_new_tokens",
            r"max_total_tokens|input token count \+ max_tokens",
            rf"input length and {_S}{{0,40}}exceed",
        ),
    ),
    SentenceRule(
        ErrorKind.OUTPUT_LIMIT,
        (
            rf"{_MAX_TOKENS}'?\)? ?(?:value )?(?:is |are |was )?(?:set )?too (?:large|high|big)",
            r"at most \d[\d,]* (?:completion|output) tokens",
            rf"{_MAX_TOKENS}\W{{1,4}}\d[\d,]* ?> ?\d",
            rf"range of {_MAX_TOKENS}",
            r"\d{3,} is not less or equal to",
            rf"invalid {_MAX_TOKENS} value|{_MAX_TOKENS}{_S}{{0,60}}(?:range|between)",
            rf"""
                {_MAX_TOKENS}{_S}{{0,120}}(?:above maximum|<=|≤|at most|no more than|(?:less|lower|smaller|
                fewer) than|not (?:be )?(?:exceed|greater|larger|more|higher)|cannot exceed|exceed|upper limit|
                (?<!must be )(?:greater|larger) than|above|over the|out of range|maximum (?:allowed|value))
            """,
            rf"(?:exceed|above|over|(?:greater|larger|more) than){_S}{{0,60}}{_MAX_TOKENS}",
            rf"max(?:imum)? tokens you requested{_S}{{0,40}}exceed",
            r"model output limit was reached|higher max_tokens",
            r"maximum (?:allowed )?number of output tokens|output tokens? limit",
            r"max(?:imum)? output (?:length|tokens?)",
            rf"{_MAX_TOKENS} ?(?:参数|不能|必须|超|取值|应|的|值|最大|只能)",
        ),
    ),
    # Throttles that talk of tokens, prompts or credits.
    SentenceRule(
        ErrorKind.RATE_LIMIT,
        (
            r"""
                \b(?:rate[ _-]?limit\w*|limit) (?:has been |was |is )?(?:exceeded|reached|
                hit)\b(?! .{0,40}(?:insufficient|
                balance))
            """,
            rf"exceed{_S}{{0,60}}rate[ _-]?limit",
            r"(?:tokens?|requests?|queries|calls|images) (?:per|/|a) ?(?:min|minute|day|hour|second|sec)\b",
            r"per[ -](?:minute|day|hour|second)\b",
            r"too many tokens(?:,? please wait|,? per| processed)",
            r"too many (?:concurrent )?requests|number of concurrent",
            r"no deployments available for selected model|out of call volume|service tier capacity",
            r"daily free allocation|free_tier_requests|perday|perminute",
            r"请求(?:过于|太|频率|速率)|速率限制|(?:频率|并发|速率)(?:过高|超|达到|限制)|访问量过大|限流",
            r"达到.{0,20}(?:使用|请求|调用)(?:上限|限制)",
        ),
    ),
    SentenceRule(
        ErrorKind.CONTEXT_EXCEEDED,
        (
            r"context[ _-]?(?:length|window|size|limit)[ _-]?(?:is )?(?:exceed|overflow|too)",
            rf"exceed{_S}{{0,60}}(?:context|window\b)",
            rf"(?:larger|longer|bigger|greater|more) than{_S}{{0,40}}context",
            rf"context{_S}{{0,60}}(?:overflow|exceed|not enough|too (?:long|large|small))",
            r"""
                (?:prompt|input|request|message|messages|conversation|text|payload)s?'? (?:is |are |was |
                were )?(?:far )?too (?:long|large|big)
            """,
            r"""
                (?:reduce|shorten|trim|shorter)(?: the| your)?(?: length of)?(?: the| your| this)? ?(?:input|
                prompt|messages?|context|conversation|text)
            """,
            rf"""
                (?:input|prompt|messages){_S}{{0,30}}(?:tokens?|length|count){_S}{{0,60}}(?:exceed|must (?:be|
                have)|too|greater|longer|larger|limit)
            """,
            rf"exceed{_S}{{0,40}}(?:max(?:imum)?|limit|allowed){_S}{{0,40}}(?:tokens?|length|prompt|input size)",
            r"range of input length|input length should",
            rf"""
                (?:maximum|max)(?: input| prompt| model| allowed)? (?:prompt )?(?:length|tokens?|
                number of tokens){_S}{{0,60}}(?:but (?:the|
                your|you)|exceed|allowed|request)
            """,
            r"must have less than \d+ tokens|expected maxlength|too many (?:input |prompt )?tokens",
            r"(?:request|body|payload)(?: entity| body)? (?:too large|exceeds the (?:maximum )?size)",
            r"exceeds? the maximum size",
            r"model token limit|token limit of the model|model's (?:maximum )?token",
            r"(?:message|input|content|prompt)\S{0,30}: string too long",
            r"tokens? (?:limit|count) (?:exceeded|exceeds)",
            r"""
                上下文|输入.{0,12}(?:过长|太长|超出|超过|长度|超限)|(?:超出|超过).{0,16}(?:最大长度|长度限制|
                token ?(?:数|上限|限制))
            """,
            r"prompt.{0,8}(?:超长|过长)|内容过长",
        ),
    ),
    SentenceRule(
        ErrorKind.BALANCE,
        (
            r"""
                insufficient[ _-](?:account |user |api |remaining )?(?:balance|funds?|credits?|quota|
                tokens? quota|points)
            """,
            r"""
                balance (?:is |are |was |has been )?(?:too low|insufficient|not enough|exhausted|depleted|
                negative|empty|zero|used|overdue)
            """,
            r"not enough (?:balance|credits?|funds|quota|money|points)",
            r"(?:low|zero|negative|no) balance",
            r"""
                credits?\b(?: \w{1,12}){0,3} (?:exhausted|depleted|used up|insufficient|required|expired|
                run out|too low|exceeded)
            """,
            r"run out of|out of credits?",
            r"used all (?:of )?(?:your |the |its )?(?:available |included |monthly )?credits",
            r"(?:any|no|zero) (?:remaining )?credits",
            r"""
                requires? (?:a |at least )?(?:\$?\d\S{0,6} )?(?:of )?(?:available )?(?:credits|payment|
                a payment method)
            """,
            r"exceeded (?:your |the |its )?current quota",
            r"exceeded (?:your |its )?(?:monthly|included|free) \w* ?(?:quota|credits|allowance|budget)",
            r"monthly included credits",
            r"payment (?:is )?(?:required|method|failed)|billing|spend(?:ing)? (?:limit|cap)",
            r"usage limits?\. you will regain",
            r"budget (?:has been )?exceeded|exceeded (?:your )?(?:\w+ )?budget|over budget",
            r"(?:subscription|plan|package|trial) (?:has |is )?(?:been )?(?:expired|ended|cancell?ed|inactive)",
            r"no active (?:subscription|plan)",
            r"free (?:tier|trial|quota|credits?)\b(?: \S{1,20}){0,6} (?:exhausted|used up|ended|expired)",
            r"exhausted its free|account (?:is )?not (?:active|in good standing)|good standing",
            r"quota (?:is |has been )?(?:not enough|insufficient|used up)",
            r"reached (?:your |its )?(?:specified )?(?:api )?usage limits?\. you",
            r"""
                余额|欠费|额度(?:不足|已?用尽|已?用完|失败|耗尽|已耗尽)|剩余额度|充值|套餐.{0,8}(?:到期|
                过期|失效|用完)|资源包|令牌额度|账单|付费
            """,
            r"免费额度.{0,8}(?:用|耗)",
        ),
    ),
    SentenceRule(
        ErrorKind.AUTH,
        (
            rf"(?<![a-z]){_KEY}['\"]?(?: \S{{1,60}}){{0,5}} {_WRONG}",
            rf"(?<![a-z]){_KEY} ?(?:is|was|are)? ?{_WRONG}",
            rf"\b(?:{_WRONG}|no|bad|empty|unknown|无效的?|错误的?)(?: \S{{1,30}}){{0,3}} ?{_KEY}",
            rf"(?:provide|pass|check|set|verify|configure|valid)(?: \S{{1,20}}){{0,4}} {_KEY}",
            r"couldn't find a secret",
            r"permission '\S{3,80}' denied|lacks the required|unauthenticated",
            r"authentication (?:failed|fails|error|required|is required|credentials|parameter)",
            r"not authenticated|login|log in|invalid (?:token|authentication|auth)\b",
            r"token (?:is |has )?(?:invalid|expired)|could not validate",
            r"security token included|signature (?:expired|does not match|we calculated)",
            r"locate credentials|default credentials",
            r"country, region|user location",
            r"(?:not |un)(?:available|supported) in your (?:region|country|location)",
            r"location is not supported|unsupported[ _]country",
            r"your (?:region|country|location) is not",
            r"not (?:available|supported) (?:in|for) (?:this|your) (?:region|country)",
            r"has not been used in project",
            r"api (?:is |has )?(?:not enabled|not been enabled|disabled)",
            r"organization (?:header|should match)",
            r"""
                身份验证|鉴权|认证失败|未授权|无效的(?:令牌|密钥|api)|令牌(?:已过期|无效|验证|状态|不可用)|
                api ?key.{0,6}(?:无效|错误|不)
            """,
            r"未提供令牌|未登录",
        ),
    ),
    SentenceRule(
        ErrorKind.TRANSIENT,
        (
            r"""
                model(?: \S{1,80}){0,4} (?:is |are )?(?:currently |temporarily |still |being )(?:overloaded|
                unavailable|loading|loaded|busy|experiencing|down|not available)
            """,
            r"overloaded|degraded|loading (?:the )?model|high (?:demand|load|traffic)",
            r"(?:at|over|model|no) capacity|capacity (?:temporarily )?(?:exceeded|constraints)",
            r"temporarily (?:unavailable|unable|down)",
        ),
    ),
    SentenceRule(
        ErrorKind.MODEL_MISSING,
        (
            rf"""
                \b(?:model|deployment|engine)s?\b{_S}{{0,160}}?(?:do(?:es)? ?n[o']t exist|not exist|not found|
                not be found|no longer (?:available|supported|exists)|decommission|deprecated|retired|
                end of (?:its )?life|end-of-life|has been (?:removed|disabled|shut|sunset|discontinued)|
                is not (?:a valid|available|supported|allowed|open|enabled|accessible|valid|deployed|
                activated|recognized|registered)|isn't (?:supported|available|allowed)|not (?:available|
                supported|allowed|loaded|recognized|configured|enabled|open|activated|accessible|registered|
                whitelisted)(?! parameter)|unavailable|access (?:is )?denied|is unknown|
                identifier is invalid|
                unsupported)
            """,
            r"""
                (?:unknown|unsupported|no such|not a valid|unrecognized|undefined|invalid|incorrect|
                nonexistent) (?:model|
                deployment|engine)(?:s|_id|_name| id| name| identifier)?\b(?! (?:output|response|param))
            """,
            r"""
                (?:not found|could not find|couldn't find|can't find|cannot find|unable to find|no) (?:the )?
                (?:model|
                deployment|engine)\b
            """,
            rf"access to{_S}{{0,30}}\bmodel|access (?:this |the )?model",
            rf"(?:permission|authorized|authorised|allowed|entitled|subscribed|access){_S}{{0,60}}\bmodel\b",
            rf"model\b{_S}{{0,60}}(?:no permission|permission|not authorized|gated|tier)",
            r"""
                no (?:available |healthy |allowed |active )?(?:channel|endpoint|provider|instance|backend|
                deployment|upstream)s?\b(?: \S{1,30}){0,2} (?:found|available|for|match|serving)
            """,
            r"no (?:available |healthy )(?:channel|endpoint|provider|instance|backend|deployment)s?",
            r"on-demand throughput|inference profile|foundation model|publisher model",
            r"not activated the model|endpoint (?:is )?(?:currently )?closed",
            r"\bmodel(?: \S{1,60})? (?:is |was |has been )?disabled",
            # NVIDIA serves each model as a function.
            r"function '?\S{1,60} not found for account",
            r"must be verified to use|requires organization verification",
            r"not a chat model|no models? (?:is |are )?loaded|model.{0,10}not loaded|pulling it",
            r"not supported by any provider|specified model|data policy",
            r"(?:the )?(?:endpoint|model or endpoint)\b(?: \S{1,60}){0,3} does not exist",
            r"模型.{0,40}(?:不存在|未开通|已下线|不支持|不可用|无权|未找到|已弃用|没有权限|无可用|错误)|无可用渠道",
            r"(?:未找到|找不到|不支持|无权|没有).{0,16}模型|无效的?模型",
        ),
    ),
)
