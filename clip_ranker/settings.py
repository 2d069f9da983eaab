"""Every environment variable the service reads. All start with ``CLIP_``; empty means unset."""

from functools import cache
from importlib.util import find_spec
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ENV_PREFIX = "CLIP_"
PRINTABLE = r"^[\x20-\x7e]*$"
"""What may stand in a header of HTTP."""


def _split(value: object, info: ValidationInfo) -> object:
    """A key or a list of hosts that got lost on the way must not open what it was to close."""
    if not isinstance(value, str):
        return value
    words = tuple(value.replace(",", " ").split())
    if value and not words:
        name = f"{ENV_PREFIX}{info.field_name}".upper()
        raise ValueError(f"{name} holds nothing but separators: give it entries, or leave it empty")
    return words


def _rate(value: str) -> str:
    if value:
        import limits  # a quarter of a second, for those who want it

        try:
            limits.parse(value)
        except ValueError as error:
            raise ValueError("give a number and a time, such as 60/minute") from error
    return value


def _has_opencv(value: bool) -> bool:  # noqa: FBT001 as pydantic calls it
    if value and find_spec("cv2") is None:
        raise ValueError(
            "OpenCV is not installed: pip install -e '.[local]' brings it, "
            "and LOCAL_FEATURES=yes into an image that docker compose builds"
        )
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Entries separated by commas or spaces."""


class Settings(BaseSettings):
    """Read once per process, immutable."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    model: str = Field("openclip_vit_b32", min_length=1)
    """name of the model in the BentoML store"""
    models: Words = ()
    """more models in the store, from which a request may choose by `model`; empty = none"""
    max_batch_size: int = Field(16, ge=1, le=256)
    """pictures in one embedder call, up to a fourth more where that makes fewer calls"""
    embed_threads: int = Field(0, ge=0, le=256)
    """threads of ONNX Runtime; 0 = one a processor it may use"""
    decode_threads: int = Field(0, ge=0, le=256)
    """processes that decode pictures, 21 MB each; 0 = one a processor it may use, 4 at most"""
    embedder_url: str = Field("", pattern=r"^(https?://\S+)?$")
    """http://… of an embedder that runs apart; empty = one of its own"""
    embed_timeout_s: float = Field(10, gt=0, le=600)
    """a call whose pictures take t one by one is hung after `max(this, min(5 t, 14 s), 2 t)`"""
    download_timeout_s: float = Field(3, gt=0, le=60)
    """one attempt at a download, from name lookup to last byte"""
    max_redirects: int = Field(3, ge=0, le=10)
    """redirects followed in one download"""
    max_download_bytes: int = Field(10_000_000, ge=1)
    """one download, or the photo in a request"""
    max_downloads: int = Field(64, ge=1, le=1000)
    """downloads at once in the whole process"""
    max_downloads_per_host: int = Field(0, ge=0, le=1000)
    """of these, from one host; 0 = three quarters"""
    contact: str = Field("", pattern=PRINTABLE)
    """address for the owners of image hosts, in the User-Agent; empty = the project's"""
    user_agent: str = Field("", pattern=PRINTABLE)
    """whole User-Agent of downloads; empty = `clip-ranker/<version> (+<contact>)`"""
    download_headers: str = Field("", repr=False)
    """more headers for some hosts: `example.com=Referer: https://example.com/, *.b.com=…`"""
    max_pixels: int = Field(50_000_000, ge=1)
    """width times height of a picture, checked before decoding"""
    allow_private_hosts: Words = ()
    """hosts, host:port or networks admitted although they are private"""
    allowed_hosts: Words = ()
    """only these hosts, `example.com` or `*.example.com`; empty = any public"""
    max_body_bytes: int = Field(30_000_000, ge=1)
    """body of one request, refused while it streams in"""
    upload_timeout_s: float = Field(20, gt=0, le=600)
    """the body of a request, from first to last byte"""
    max_bodies_bytes: int = Field(100_000_000, ge=1)
    """bodies of all requests at once; three quarters for one client, more get 429"""
    max_requests: int = Field(32, ge=1, le=10_000)
    """requests at once, and as many may wait; three quarters for one client, more get 429"""
    rate_limit: Annotated[str, AfterValidator(_rate)] = ""
    """requests of one client, such as `60/minute`; counted in Redis if there is one; empty = any"""
    request_timeout_s: float = Field(60, gt=0, le=600)
    """ranking one request; what is ranked by then is answered"""
    local_features: Annotated[bool, AfterValidator(_has_opencv)] = False
    """look at the first ten again, point by point; needs the extra `local`, see docs/models.md"""
    cache_bytes: int = Field(64_000_000, ge=0)
    """memory for embeddings, about 11,000 of them; 0 = no cache"""
    cache_ttl_s: float = Field(86_400, gt=0)
    """an embedding older than this is made again"""
    cache_url: str = Field("", repr=False)
    """redis://… of a Redis or Valkey that replicas share"""
    cache_timeout_s: float = Field(0.1, gt=0, le=10)
    """one round trip to it; slower counts as away"""
    max_prefetch: int = Field(1000, ge=0)
    """pictures and titles that may wait to be embedded ahead of a request"""
    api_key: Words = Field((), repr=False)
    """keys, or `name:key`, without spaces or commas; a POST must bring one; empty = open"""
    cors_origins: Words = ()
    """origins whose pages may call, or `*`; empty = none"""
    feedback_dir: str = ""
    """folder for what `POST /feedback` brings, vectors and verdicts; empty = none is taken"""
    max_candidates: int = Field(200, ge=1, le=10_000)
    """candidates in one request"""
    demo: bool = True
    """serve the page to try the service, at /demo"""

    @property
    def served(self) -> tuple[str, ...]:
        """Names of all models, the default first."""
        return tuple(dict.fromkeys((self.model, *self.models)))


@cache
def get_settings() -> Settings:
    """The settings of this process.

    Raises:
        pydantic.ValidationError: a variable is out of bounds; the message names it.
    """
    return Settings()
