"""The shapes of the OpenAI API, as its own client sees them."""

import base64
import io
import wave

import httpx
import numpy as np
import openai
import pytest
from http_service import app_of, engine_of, listening, run
from PIL import Image

from ganworks.use.model import Model


@pytest.fixture(scope="module")
def address():
    with engine_of("dcgan", "audio", "text", "shift", "inpaint") as engine, listening(app_of(engine)) as url:
        yield url


@pytest.fixture(scope="module")
def client(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_models_are_listed(client):
    assert {model.id for model in client.models.list()} == {"dcgan", "audio", "text", "shift", "inpaint"}
    assert client.models.retrieve("dcgan").owned_by == "ganworks" and client.models.list().data[0].created > 10**9
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nope")
    assert caught.value.code == "model_not_found" and caught.value.type == "not_found_error"


def test_pictures_of_a_class(client):
    made = client.images.generate(model="dcgan", prompt="2 truncation=0.7", n=3, extra_body={"seed": 5})
    wanted = Model.load(run("dcgan")).sample(3, 5, "2", 0.7).files()
    assert [base64.b64decode(item.b64_json) for item in made.data] == [content for _, content in wanted]
    assert [item.seed for item in made.data] == [5, 5, 5] and made.size == "12x12" and made.output_format == "png"
    again = client.images.generate(model="dcgan", prompt="class=2 seed=5 truncation=0.7", n=3)
    assert again.data == made.data


def test_without_a_seed_each_answer_is_new_and_says_its_seed(client):
    first, second = (client.images.generate(model="dcgan", prompt="1", output_format="webp").data[0] for _ in range(2))
    assert first.b64_json != second.b64_json
    same = client.images.generate(
        model="dcgan", prompt="", output_format="webp", extra_body={"seed": first.seed, "label": 1}
    )
    assert same.data[0].b64_json == first.b64_json
    assert Image.open(io.BytesIO(base64.b64decode(first.b64_json))).size == (12, 12)


def test_a_picture_behind_an_address(client):
    url = client.images.generate(model="dcgan", prompt="1", response_format="url", extra_body={"seed": 3}).data[0].url
    answer = httpx.get(url)
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == next(Model.load(run("dcgan")).sample(1, 3, "1").files())[1]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        ({"prompt": "a dog on a bicycle"}, "Its classes: 0, 1, 2."),
        ({"prompt": "dogs=3"}, "dogs="),
        ({"prompt": "1 2"}, "1 2"),
        ({"prompt": "7"}, "0 to 2"),
        ({"prompt": "1 seed=x"}, "seed must be a number"),
        ({"prompt": "1 class=2"}, "two classes"),
        ({"prompt": "1 seed=3 seed=4"}, "twice"),
        ({"prompt": "1 seed=3", "extra_body": {"seed": 4}}, "Say it once"),
        ({"prompt": "1", "size": "512x512"}, "12x12"),
        ({"prompt": "1", "style": "vivid"}, "style=vivid"),
        ({"prompt": "1", "background": "transparent"}, "background"),
        ({"prompt": "1", "model": "text"}, "makes no pictures"),
        ({"prompt": "1 truncation=-1"}, "truncation"),
        ({"prompt": "1 seed=99999999999999999999"}, "seed must be"),
    ],
)
def test_what_cannot_be_done_is_refused(client, ask, said):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(**{"model": "dcgan", **ask})
    assert said in caught.value.message and caught.value.type == "invalid_request_error"


def test_sounds(client):
    wanted = Model.load(run("audio")).sample(1, 5, "low").content(".wav")
    made = client.audio.speech.create(
        model="audio", input="", voice="low", response_format="wav", extra_body={"seed": 5}
    )
    assert made.content == wanted and made.response.headers["content-type"] == "audio/wav"
    raw = client.audio.speech.create(model="audio", input="seed=5", voice="low", response_format="pcm")
    with wave.open(io.BytesIO(wanted)) as sound:
        assert raw.content == sound.readframes(sound.getnframes())
        assert raw.response.headers["x-ganworks-sample-rate"] == str(sound.getframerate())
    for wrong in ({"response_format": "mp3"}, {"speed": 2.0}, {"voice": "loud"}, {"model": "dcgan"}):
        with pytest.raises(openai.BadRequestError):
            client.audio.speech.create(**{"model": "audio", "input": "", "voice": "low", **wrong})


def as_png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def png(mode, size, value):
    return as_png(Image.new(mode, size, value))


def test_pictures_are_edited(client, address):
    photo = png("RGB", (8, 6), (10, 200, 90))
    made = client.images.edit(model="shift", image=("a.png", photo), prompt="", extra_body={"seed": 3})
    native = httpx.post(f"{address}/v1/models/shift/apply", files={"file": ("a.png", photo)}, data={"seed": "3"})
    assert base64.b64decode(made.data[0].b64_json) == native.content
    with pytest.raises(openai.BadRequestError):
        client.images.edit(model="shift", image=("a.png", photo), prompt="make it red")
    with pytest.raises(openai.BadRequestError):
        client.images.edit(model="dcgan", image=("a.png", photo), prompt="")


def test_holes_are_filled_where_a_mask_is_transparent_or_white(client, address):
    photo, square = png("RGB", (16, 16), (10, 200, 90)), np.zeros((16, 16), np.uint8)
    square[4:9, 4:9] = 255
    hole = as_png(Image.fromarray(square))
    clear = as_png(Image.merge("LA", (Image.new("L", (16, 16)), Image.fromarray(255 - square))))
    made = [
        client.images.edit(model="inpaint", image=("a.png", photo), mask=("m.png", mask), prompt="").data[0].b64_json
        for mask in (hole, clear)
    ]
    assert made[0] == made[1]
    native = httpx.post(f"{address}/v1/models/inpaint/apply", files={"file": ("a.png", photo), "mask": ("m.png", hole)})
    assert base64.b64decode(made[0]) == native.content
