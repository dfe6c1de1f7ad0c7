"""The `machine` section: what can change the speed of a run, never its outputs. No stage declares it to DVC."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field

from clapline.params.base import Section


class Server(Section):
    """A language model server of its own for one model; what is null is as for the others."""

    base_url: str | None = None
    api_key_variable: str | None = Field(None, pattern=r"^[A-Z_][A-Z0-9_]*$")
    concurrency: int | None = Field(None, ge=1, le=1024)
    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: int | None = Field(None, ge=1)
    timeout_s: float | None = Field(None, gt=0, le=3600)
    batch_api: bool | None = None


class Machine(Section):
    """Workers, device, rate limits, progress, and where a language model is served.

    A GPU rounds otherwise than a CPU, several processes otherwise than one, compiled code otherwise than plain, and
    another server may answer otherwise: they change no result beyond that, and DVC does not rerun a stage for them
    (`dvc repro -f` does).
    """

    workers: int = Field(0, ge=0, le=1024, description="processes for decoding and synthesis; 0: one per core")
    device: Literal["auto", "cpu"] = Field(
        "auto", description="auto: a GPU where there is one (CUDA_VISIBLE_DEVICES chooses which)"
    )
    processes: int = Field(
        1, ge=0, le=1024, description="processes that train and embed on this machine; 0: one per GPU"
    )
    nodes: int = Field(1, ge=1, le=4096, description="machines that train together; docs/gpus.md")
    rendezvous: str | None = Field(None, description="host:port where the machines meet (nodes above 1)")
    loaders: int = Field(0, ge=0, le=256, description="processes that read training batches ahead; 0: none")
    compile: bool = Field(False, description="torch.compile of the encoders")
    save_every_s: float = Field(300.0, gt=0, description="a killed training run loses at most this much work")
    progress: bool = Field(True, description="progress bars on a terminal")
    concurrency: int = Field(8, ge=1, le=1024, description="requests to the language model under way at once")
    requests_per_minute: int | None = Field(None, ge=1, description="bound on requests; null: none")
    tokens_per_minute: int | None = Field(None, ge=1, description="bound on prompt and answer tokens; null: none")
    batch_api: bool = Field(False, description="ask through OpenAI's batch API: half the price, up to a day")
    timeout_s: float = Field(60.0, gt=0, le=3600, description="bound on one request")
    base_url: str | None = Field(None, description="OpenAI-compatible server; null: the SDK's default")
    downloads: int = Field(4, ge=1, le=64, description="files downloaded at once")
    download_timeout_s: float = Field(
        60.0, gt=0, le=3600, description="a download that stays silent so long is broken off"
    )
    download_retries: int = Field(5, ge=0, le=100, description="further tries of a download that failed in passing")
    retry_gone_after_days: int = Field(30, ge=0, le=10000, description="recordings that were gone are asked for again")
    engine: Literal["local", "ray"] = Field(
        "local", description="what decodes and embeds: this machine's processes, or Ray"
    )
    ray_address: str | None = Field(None, description="Ray cluster to join; null: start one on this machine")
    api_key_variable: str = Field("OPENAI_API_KEY", pattern=r"^[A-Z_][A-Z0-9_]*$", description="variable with the key")

    servers: dict[str, Server] = Field(default_factory=dict, description="by model id: where that model is served")

    def serving(self, model: str) -> Machine:
        """Return the settings for one language model: those of its own server before those of all."""
        own = self.servers.get(model)
        return self.model_copy(update=own.model_dump(exclude_none=True)) if own else self

    def worker_count(self) -> int:
        """Return the number of processes to use."""
        return self.workers or (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )
