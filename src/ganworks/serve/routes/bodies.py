"""The values of requests: their types, bounds and examples, as the page of the API shows them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

LARGEST_SEED = 2**63 - 1
MOST = 10**9

Word = Annotated[str, StringConstraints(max_length=200)]
Text = Annotated[str, StringConstraints(max_length=10_000)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED, strict=True)]
Truncation = Annotated[float, Field(gt=0, le=10, strict=True, allow_inf_nan=False)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=-(2**63), le=2**63 - 1)]
Flag = Annotated[bool, Field(strict=True)]
Value = Flag | Whole | Number | Text
Labels = Word | Whole | Annotated[list[Word | Whole], Field(min_length=1, max_length=10_000)]
Options = Annotated[dict[Word, Value], Field(max_length=50)]


class Body(BaseModel):
    """A body in which every key is known and every value of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def example(**values: Any) -> ConfigDict:
    """The settings of a body with an example."""
    return ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, json_schema_extra={"examples": [values]})


class SampleBody(Body):
    """Samples `start` to `start + n - 1` of a seed."""

    model_config = example(n=4, seed=3, labels=["3"], truncation=0.7, format="png")
    n: Annotated[int, Field(ge=1, le=MOST, description="how many samples")] = 1
    seed: Seed = Field(0, description="sample 17 of a seed is the same bytes alone or among 50,000")
    start: Annotated[int, Field(ge=0, le=2**53, description="the index of the first sample")] = 0
    labels: Labels | None = Field(
        None, description="a class by name or number, or several that repeat; by default all classes in turn"
    )
    truncation: Truncation = Field(1.0, description="below 1: more typical and less varied")
    options: Options = Field(
        default_factory=dict, description="those that GET /v1/models/{name} lists, such as where or temperature"
    )
    format: Word = Field(
        "",
        description="png, zip, csv, jsonl, ...: the file that `ganworks sample ... out=FILE.<format>` writes. By "
        "default by the Accept header, else one sample's own file, or a zip of such files, or one file of all.",
    )
    background: Flag = Field(False, description="answer 202 at once, and make the samples as a job")


class WalkBody(Body):
    """A walk from sample 0 of each seed to that of the next."""

    model_config = example(seeds=[1, 2], steps=8, format="gif")
    seeds: Annotated[list[Seed], Field(min_length=2, max_length=64)]
    steps: Annotated[int, Field(ge=2, le=1000, description="samples of each leg, both ends included")] = 8
    labels: Labels | None = None
    truncation: Truncation = 1.0
    options: Options = Field(default_factory=dict)
    format: Word = Field("", description="png: a strip; gif, webp, apng: an animation; zip, npz: all samples")
