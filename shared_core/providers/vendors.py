"""Every provider we know, as a row of data; and which of them a bare model name means.

Owns base URLs, key variables, where the key travels, and the quirks that hold for all models of a vendor. A quirk of
a single model (a parameter that it refuses, its ceiling) is learnt at run time and has no place here.

Each row was checked against the vendor's public documentation, named in `docs`. A vendor that is not here works as
well: `Vendor(name=…, base_url=…)` and the wire's defaults are enough for most.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from shared_core.providers.base import Vendor

__all__ = ["VENDORS", "find", "infer_provider"]

_THINKS = "reasoning_content"
"""Where DeepSeek put reasoning first, and most others after it."""

_SILENT_GPT = r"(o\d|gpt-[5-9]).*"
"""OpenAI's reasoning models: Chat Completions shows nothing of what they think."""

_SHORT_ID = r".{1,40}"
"""OpenAI's limit on `tool_calls[].id`; some providers make longer ones."""

_ROWS = (
    # The makers of the protocols.
    Vendor(
        name="openai",
        base_url="https://api.openai.com/v1",
        base_url_env="OPENAI_BASE_URL",
        key_env=("OPENAI_API_KEY",),
        max_tokens_field="max_completion_tokens",  # `max_tokens` is refused by all reasoning models
        tool_id=_SHORT_ID,
        thinks_silently=_SILENT_GPT,
        docs="https://platform.openai.com/docs/api-reference/chat/create",
    ),
    Vendor(
        name="openai-responses",
        wire="responses",
        base_url="https://api.openai.com/v1",
        base_url_env="OPENAI_BASE_URL",
        key_env=("OPENAI_API_KEY",),
        aliases=("responses", "openai_responses"),
        max_tokens_field="max_output_tokens",
        tool_id=r".{1,64}",
        thinks_silently=_SILENT_GPT,
        docs="https://platform.openai.com/docs/api-reference/responses/create",
    ),
    Vendor(
        name="azure",
        base_url_env="AZURE_OPENAI_ENDPOINT",
        key_env=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
        auth="api-key",
        path="/openai/deployments/{model}/chat/completions",
        query=MappingProxyType({"api-version": "2024-10-21"}),  # the last dated GA version; `…/openai/v1` needs none
        aliases=("azure-openai", "azure_openai"),
        max_tokens_field="max_completion_tokens",
        tool_id=_SHORT_ID,
        thinks_silently=_SILENT_GPT,
        docs="https://learn.microsoft.com/azure/ai-services/openai/reference",
    ),
    Vendor(
        name="anthropic",
        wire="anthropic",
        base_url="https://api.anthropic.com",
        base_url_env="ANTHROPIC_BASE_URL",
        key_env=("ANTHROPIC_API_KEY",),
        auth="x-api-key",
        headers=MappingProxyType({"anthropic-version": "2023-06-01"}),
        aliases=("claude",),
        tool_id=r"[a-zA-Z0-9_-]+",
        understands_marks=frozenset({"cache_control"}),
        docs="https://docs.anthropic.com/en/api/messages",
    ),
    Vendor(
        name="gemini",
        wire="gemini",
        base_url="https://generativelanguage.googleapis.com",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        auth="x-goog-api-key",
        aliases=("google", "google-genai", "google_genai"),
        docs="https://ai.google.dev/api/generate-content",
    ),
    # Vendors of their own models.
    Vendor(
        name="deepseek",
        base_url="https://api.deepseek.com",
        key_env=("DEEPSEEK_API_KEY",),
        reasoning_field=_THINKS,
        demands_reasoning=True,
        takes_json_schema=False,
        docs="https://api-docs.deepseek.com/guides/thinking_mode",
    ),
    Vendor(
        name="kimi",
        base_url="https://api.moonshot.ai/v1",
        base_url_env="MOONSHOT_BASE_URL",
        key_env=("MOONSHOT_API_KEY", "KIMI_API_KEY"),
        aliases=("moonshot", "moonshotai"),
        reasoning_field=_THINKS,
        demands_reasoning=True,
        docs="https://platform.moonshot.ai/docs/api/chat",
    ),
    Vendor(
        name="kimi-cn",
        base_url="https://api.moonshot.cn/v1",
        key_env=("MOONSHOT_API_KEY", "KIMI_API_KEY"),
        aliases=("moonshot-cn", "moonshotai-cn"),
        reasoning_field=_THINKS,
        demands_reasoning=True,
        docs="https://platform.moonshot.cn/docs/api/chat",
    ),
    Vendor(
        name="doubao",
        base_url="https://ark.cn-beijing.volces.com/api/v3",
        key_env=("ARK_API_KEY", "VOLCENGINE_API_KEY"),
        aliases=("ark", "volcengine", "volcengine-ark"),
        docs="https://www.volcengine.com/docs/82379/1330626",
    ),
    Vendor(
        name="qwen",
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        base_url_env="DASHSCOPE_BASE_URL",
        key_env=("DASHSCOPE_API_KEY",),
        aliases=("dashscope", "alibaba-cn", "tongyi"),
        docs="https://help.aliyun.com/zh/model-studio/compatibility-of-openai-with-dashscope",
    ),
    Vendor(
        name="qwen-intl",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key_env=("DASHSCOPE_API_KEY",),
        aliases=("dashscope-intl", "alibaba"),
        docs="https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
    ),
    Vendor(
        name="zhipu",
        base_url="https://open.bigmodel.cn/api/paas/v4",
        key_env=("ZHIPUAI_API_KEY", "ZHIPU_API_KEY", "BIGMODEL_API_KEY"),
        aliases=("zhipuai", "glm", "chatglm", "bigmodel"),
        streams_usage=False,  # the last chunk states it unasked
        renames=MappingProxyType({"user": "user_id"}),
        reasoning_field=_THINKS,
        takes_json_schema=False,
        docs="https://docs.bigmodel.cn/api-reference/模型-api/对话补全",
    ),
    Vendor(
        name="zai",
        base_url="https://api.z.ai/api/paas/v4",
        key_env=("ZAI_API_KEY", "ZHIPU_API_KEY"),
        aliases=("z.ai", "z-ai"),
        streams_usage=False,
        renames=MappingProxyType({"user": "user_id"}),
        reasoning_field=_THINKS,
        takes_json_schema=False,
        docs="https://docs.z.ai/api-reference/llm/chat-completion",
    ),
    Vendor(
        name="minimax",
        base_url="https://api.minimax.io/v1",
        key_env=("MINIMAX_API_KEY",),
        max_tokens_field="max_completion_tokens",
        docs="https://platform.minimax.io/docs/api-reference/text-openai-api",
    ),
    Vendor(
        name="minimax-cn",
        base_url="https://api.minimaxi.com/v1",
        key_env=("MINIMAX_API_KEY",),
        aliases=("minimaxi",),
        max_tokens_field="max_completion_tokens",
        docs="https://platform.minimaxi.com/docs/api-reference/text-openai-api",
    ),
    Vendor(
        name="stepfun",
        base_url="https://api.stepfun.com/v1",
        key_env=("STEPFUN_API_KEY", "STEP_API_KEY"),
        aliases=("step",),
        docs="https://platform.stepfun.com/docs/zh/api-reference/chat/chat-completion-create",
    ),
    Vendor(
        name="mistral",
        base_url="https://api.mistral.ai/v1",
        key_env=("MISTRAL_API_KEY",),
        aliases=("mistralai",),
        streams_usage=False,  # the last chunk states it unasked
        omits=frozenset({"user", "name"}),  # "Extra inputs are not permitted"
        renames=MappingProxyType({"seed": "random_seed"}),
        tool_id=r"[a-zA-Z0-9]{9}",
        alternates=True,
        docs="https://docs.mistral.ai/api/endpoint/chat",
    ),
    Vendor(
        name="xai",
        base_url="https://api.x.ai/v1",
        key_env=("XAI_API_KEY",),
        aliases=("grok", "x-ai", "x.ai"),
        thinks_silently=r"grok-4.*",
        docs="https://docs.x.ai/docs/api-reference",
    ),
    Vendor(
        name="cohere",
        base_url="https://api.cohere.ai/compatibility/v1",
        key_env=("CO_API_KEY", "COHERE_API_KEY"),
        docs="https://docs.cohere.com/docs/compatibility-api",
    ),
    Vendor(
        name="perplexity",
        base_url="https://api.perplexity.ai",
        key_env=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
        aliases=("pplx",),
        streams_usage=False,  # every chunk states it unasked
        alternates=True,
        docs="https://docs.perplexity.ai/api-reference/chat-completions-post",
    ),
    Vendor(
        name="qianfan",
        base_url="https://qianfan.baidubce.com/v2",
        key_env=("QIANFAN_API_KEY",),
        aliases=("baidu", "ernie"),
        docs="https://cloud.baidu.com/doc/qianfan/s/Hmh4suq26",
    ),
    # Hosts of other people's models, and routers.
    Vendor(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        key_env=("OPENROUTER_API_KEY",),
        understands_marks=frozenset({"cache_control"}),
        reasoning_field="reasoning",
        docs="https://openrouter.ai/docs/api-reference/overview",
    ),
    Vendor(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        key_env=("GROQ_API_KEY",),
        max_tokens_field="max_completion_tokens",
        omits=frozenset({"name"}),
        docs="https://console.groq.com/docs/openai",
    ),
    Vendor(
        name="cerebras",
        base_url="https://api.cerebras.ai/v1",
        key_env=("CEREBRAS_API_KEY",),
        max_tokens_field="max_completion_tokens",
        omits=frozenset({"frequency_penalty", "presence_penalty"}),
        docs="https://inference-docs.cerebras.ai/resources/openai",
    ),
    Vendor(
        name="together",
        base_url="https://api.together.ai/v1",
        key_env=("TOGETHER_API_KEY",),
        aliases=("togetherai", "together-ai"),
        docs="https://docs.together.ai/docs/inference/openai-compatibility",
    ),
    Vendor(
        name="fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        key_env=("FIREWORKS_API_KEY",),
        aliases=("fireworks-ai",),
        docs="https://docs.fireworks.ai/tools-sdks/openai-compatibility",
    ),
    Vendor(
        name="siliconflow",
        base_url="https://api.siliconflow.com/v1",
        key_env=("SILICONFLOW_API_KEY",),
        docs="https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions",
    ),
    Vendor(
        name="siliconflow-cn",
        base_url="https://api.siliconflow.cn/v1",
        key_env=("SILICONFLOW_CN_API_KEY", "SILICONFLOW_API_KEY"),
        docs="https://docs.siliconflow.cn/cn/api-reference/chat-completions/chat-completions",
    ),
    Vendor(
        name="nvidia",
        base_url="https://integrate.api.nvidia.com/v1",
        key_env=("NVIDIA_API_KEY",),
        aliases=("nvidia-nim", "nim"),
        docs="https://docs.api.nvidia.com/nim/reference/llm-apis",
    ),
    Vendor(
        name="github",
        base_url="https://models.github.ai/inference",
        key_env=("GITHUB_TOKEN",),
        aliases=("github-models",),
        docs="https://docs.github.com/en/rest/models/inference",
    ),
    Vendor(
        name="deepinfra",
        base_url="https://api.deepinfra.com/v1/openai",
        key_env=("DEEPINFRA_API_KEY", "DEEPINFRA_API_TOKEN"),
        docs="https://docs.deepinfra.com/api-reference/chat-completions/openai-chat-completions",
    ),
    Vendor(
        name="huggingface",
        base_url="https://router.huggingface.co/v1",
        key_env=("HF_TOKEN", "HUGGINGFACEHUB_API_TOKEN"),
        aliases=("hf", "hugging-face"),
        docs="https://huggingface.co/docs/inference-providers/tasks/chat-completion",
    ),
    Vendor(
        name="sambanova",
        base_url="https://api.sambanova.ai/v1",
        key_env=("SAMBANOVA_API_KEY",),
        docs="https://docs.sambanova.ai/docs/en/features/openai-compatibility",
    ),
    Vendor(
        name="nebius",
        base_url="https://api.tokenfactory.nebius.com/v1",
        key_env=("NEBIUS_API_KEY",),
        docs="https://docs.tokenfactory.nebius.com/api-reference/inference/create-chat-completion",
    ),
    Vendor(
        name="hyperbolic",
        base_url="https://api.hyperbolic.xyz/v1",
        key_env=("HYPERBOLIC_API_KEY",),
        docs="https://docs.hyperbolic.xyz/docs/rest-api",
    ),
    Vendor(
        name="vercel",
        base_url="https://ai-gateway.vercel.sh/v1",
        key_env=("AI_GATEWAY_API_KEY",),
        aliases=("vercel-ai-gateway", "ai-gateway"),
        understands_marks=frozenset({"cache_control"}),
        docs="https://vercel.com/docs/ai-gateway/sdks-and-apis/openai-chat-completions",
    ),
    # Servers on one's own machine.
    Vendor(
        name="ollama",
        base_url="http://localhost:11434/v1",
        key_env=("OLLAMA_API_KEY",),
        needs_key=False,
        docs="https://docs.ollama.com/openai",
    ),
    Vendor(
        name="vllm",
        base_url="http://localhost:8000/v1",
        key_env=("VLLM_API_KEY",),
        needs_key=False,
        docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
    ),
    Vendor(
        name="llamacpp",
        base_url="http://localhost:8080/v1",
        key_env=("LLAMA_API_KEY",),
        needs_key=False,
        aliases=("llama.cpp", "llama-cpp", "llama-server"),
        docs="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    ),
    Vendor(
        name="lmstudio",
        base_url="http://localhost:1234/v1",
        key_env=("LMSTUDIO_API_KEY",),
        needs_key=False,
        aliases=("lm-studio",),
        docs="https://lmstudio.ai/docs/developer/openai-compat/chat-completions",
    ),
)

VENDORS: Mapping[str, Vendor] = MappingProxyType({row.name: row for row in _ROWS})
"""Rows by name."""

_BY_ANY_NAME: Mapping[str, Vendor] = MappingProxyType(
    {alias: row for row in _ROWS for alias in row.aliases} | {row.name: row for row in _ROWS}
)

_FAMILIES = (
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gemini"), "gemini"),
    (re.compile(r"deepseek"), "deepseek"),
    (re.compile(r"qwen"), "qwen"),
    (re.compile(r"(chat)?glm"), "zhipu"),
    (re.compile(r"moonshot|kimi"), "kimi"),
    (re.compile(r"step"), "stepfun"),
    (re.compile(r"grok"), "xai"),
)
"""How the names of a vendor's own models begin."""


def find(name: str) -> Vendor | None:
    """The vendor of that name or alias, in any case; None if there is none.

    >>> find("Moonshot").name
    'kimi'
    """
    return _BY_ANY_NAME.get(name.strip().lower())


def infer_provider(model: str) -> str:
    """The provider that a model name without a prefix means: whoever makes models that are called so, else "openai".

    >>> infer_provider("claude-sonnet-4-5")
    'anthropic'
    """
    name = model.strip().lower()
    return next((provider for family, provider in _FAMILIES if family.match(name)), "openai")
