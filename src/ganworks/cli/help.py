"""The texts of --help, completed from the declarations of the kinds of data. Help must not import torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ganworks.cli import kind_help
from ganworks.core import registry
from ganworks.core.errors import UsageError, nearest

_TOP = """\
ganworks: train a GAN on your data, know how good it is, use it anywhere.

  ganworks train [RECIPE] PATH [key=value ...]         train; the same command again resumes
  ganworks sample RUN 64 out=FOLDER or FILE            make samples; needs no data
  ganworks apply RUN INPUT out=OUT                     apply a translator, restorer or vocoder to files
  ganworks predict RUN PICTURE|FOLDER [out=.csv]       name the classes of pictures
  ganworks eval RUN                                    evaluate it on real data that it never saw
  ganworks data PATH                                   look at a data set before you train
  ganworks info RUN        ganworks report RUN         where a run stands; its page, report.html
  ganworks compare A B     ganworks recipes [NAME]     runs side by side; what can be trained
  ganworks features                                    published networks to judge and teach, and how to get one

{path}
A first try, with nothing to download (about a minute and a half):

  ganworks train data=digits budget=60s

Every verb explains itself: ganworks train --help. So does every kind of data: ganworks help KIND.
{kinds}
plugin=MODULE, with every verb, imports a module of your own first. `ganworks completion bash` completes your words.
Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.
"""

_TRAIN = """\
ganworks train [RECIPE] PATH [key=value ...]          (or data=PATH)

RECIPE   left out: what PATH holds is recognised, and the first line says why. A recipe that you name always wins.
{recipes}
         `ganworks recipes NAME` says what each is for. One of your own: MODULE:FUNCTION domain=MODULE.CLASS
PATH     {reads}
out      the run folder; default runs/<data>-<recipe>-<n>. The same command again goes on where it stopped.

Often used
  budget=10m        how long: 90s, 10m, 2h; or examples: 200k, 1M (m is minutes, M is million)
  size=64           image size, or size=64,96 for height,width; default: what the data has, at most 64
  labels=off        ignore the labels; default: conditional when the data has labels
  batch=64  lr=1e-3  seed=0  device=auto|cpu|cuda|mps
  loss=NAME         minimax, non-saturating, least-squares, hinge, wasserstein, relativistic, softmax, kl,
                    dual-contrastive, relativistic-average (also -hinge, -least-squares){losses};
                    or one of your own, MODULE:NAME
  until="fd<5"      stop when a score is reached
{often}
  init=RUN          begin from another run's weights (warm start), or from a generator.safetensors

Everything else by its full name, as in the run's config.yaml
{settings}
  networks. the recipe's networks, e.g. networks.width=64; networks=NAME or MODULE.CLASS takes others
  game.     loss r1 r2 gp clip n_critic augment train penalty_backend ...; game=NAME or MODULE.CLASS
  g. d.     name lr lr_end betas beta2_start eps burn_in warmup clip_each noise
  train.    batch budget until seed device precision accumulate ema ema_ramp score show save judge init threads
  evaluate=off   no full evaluation at the end;   tensorboard=on   mirror everything to TensorBoard (extra `log`)

Examples
{examples}
"""

_SAMPLE = """\
ganworks sample RUN [COUNT] [seed=0] [out=PATH] [key=value ...]

RUN      a run folder, or just a generator.safetensors: the data is not needed.
COUNT    how many samples (16). Large counts restart where they stopped when given again.
out      pictures, sounds, clips: a folder of files (the default: samples/, or samples-2/ where that holds others) or a
         .zip; of pictures also a .png grid or a .gif or .webp animation. Texts and tables: one file (samples.txt,
         samples.csv, ...). Anything: .npz. A folder never mixes samples of different seeds or settings.
format   the kind of file when out does not say: format=npz
seed     sample 17 of a seed is the same bytes alone or among 50,000.
labels   a class by name or number, or several: labels=3  labels=cat,dog
truncation=0.7         closer to the average: more typical, less varied
interpolate=1,2,3      a walk between seeds: out=walk.png is a strip, out=walk.gif an animation; steps=8
device=auto|cpu|cuda|mps   mark=off   no "generated" marks in the files

A model may have options of its own, such as temperature=0.8 for texts or where="age > 40" for tables:
`ganworks info RUN` lists them.

Examples
{examples}
"""

_APPLY = """\
ganworks apply RUN INPUT [out=PATH] [seed=0] [key=value ...]

Puts pictures through a translator or restorer, and sounds or mel frames through a vocoder. The training data is not
needed.

RUN      a run folder, or just its generator.safetensors.
INPUT    a picture of any size; a folder or zip of them, at any depth; a GIF, WebP or PNG animation; a video
         (.mp4 .mov .webm .mkv .avi, with pip install 'ganworks[video]'). For a vocoder WAV, FLAC or OGG at any rate,
         or a .npy of log-mel frames (pip install 'ganworks[audio]').
out      a file for one input, a folder for many; default: the folder applied/. Names are kept; inputs are never
         overwritten. Large folders restart where they stopped when the same command is given again.
seed     the noise of models that draw some. Same input, same seed: same bytes, alone or in a folder.
format=png       write all stills of a folder in this form (lossless, where the inputs are JPEG)
mask=FILE|FOLDER what to fill in, white, as large as its picture; in a folder by NAME or NAME_mask.png
sheet=FILE.png   before and after, side by side
device=auto|cpu|cuda|mps   mark=off   no note "edited by a generative model" in the files

Options of the model itself
{options}

Kept: EXIF (its orientation applied once), transparency, 16 bits in PNG and TIFF, colour profiles, frame times, sound.

Examples
{examples}
"""

_PREDICT = """\
ganworks predict RUN INPUT [out=FILE.csv|FILE.json] [top=3]

Names the class of pictures, with probabilities. RUN is a trained classifier; its data is not needed.

RUN      a run folder, or just its classifier.safetensors.
INPUT    a picture, a folder or zip of them, .npy, .npz or IDX files. If they have labels that the classifier
         knows (a sub-folder for each class, labels.csv, y), the accuracy is printed, too.
out      .csv (file, class, probability, one column for each class) or .json.
top=3    how many classes to print for each picture.   device=auto|cpu|cuda|mps
"""

_EVAL = """\
ganworks eval RUN [data=PATH] [count=10000] [seed=0] [features=NAME|FILE]
ganworks eval REAL MADE [out=FOLDER] [count=10000] [seed=0] [features=NAME|FILE] [size=64 ...]

Evaluates the generator on held-out real data, which it never saw: Frechet and kernel distance, precision, recall,
density, coverage, agreement with the asked label, and whether it copies its training data. Every number stands beside
the value that real data gets. Writes eval.json, pictures under eval/, and the page report.html.
data: needed only when the data has moved since the training.
features: what to measure with, for recipes that make images or points from nothing: classifier (trained on the labels;
the usual choice where there are some), random (untrained convolutions), identity (the values themselves), or a
published network that has seen many pictures, by its name or its file (`ganworks features` lists them). Translated,
restored and filled pictures and frames take a published network beside their own scores. Scores of different features
cannot be compared; each is written down with the name and hash of its own, such as kid[mobilenet_v2:b0353104]. A judge
that taught the run is named as such.

With two sets of pictures or points (folders, zips, arrays), whoever made them, it judges the second beside the first:
half of the real examples take the place of training data, the others of unseen data. out= keeps eval.json and pictures
in a new folder; settings of the data, such as size=64, are those of a training. Folders of the same classes in both are
compared by class.

  ganworks eval photos/ made-elsewhere.zip out=judged
"""

_DATA = """\
ganworks data PATH [recipe=NAME] [domain settings as for train] [features=NAME|FILE] [out=PATH]

Look at data before you train. Says what PATH holds and which recipe fits it; how many examples, of which classes,
duplicates, what cannot be read and why, and what the recipe's reader noticed. Of pictures also sizes, modes, near
duplicates and a contact sheet; of others some examples as the networks get them, to listen to, watch or read. Nothing
is changed or written but these examples: into the cache, or where out= says.
recipe=NAME reads it as a training of that recipe would, and refuses what it would refuse.
features=NAME|FILE looks at pictures through a published network, too (`ganworks features`): near duplicates (crops,
mirror images, saved again), outliers, and labels that may be wrong, with pictures.
"""

_PAGES = {
    "train": _TRAIN,
    "sample": _SAMPLE,
    "apply": _APPLY,
    "predict": _PREDICT,
    "eval": _EVAL,
    "data": _DATA,
    "info": "ganworks info RUN\n\nWhere a run stands: budget, losses, scores beside real data, files.\n",
    "report": "ganworks report RUN\n\nWrites RUN/report.html anew: one page, no network needed, for any reader.\n",
    "compare": "ganworks compare RUN RUN [...]\n\nScores, cost and settings of several runs side by side.\n\n"
    "ganworks compare RECIPE RECIPE [...] data=PATH budget=2m [seeds=0,1,2] [key=value ...]\n\n"
    "Trains each recipe on the same data with the same budget and seeds, evaluates it, and prints one table: scores\n"
    "with their intervals beside those of real data, speed, parameters. Writes the runs, comparison.csv and\n"
    "comparison.png into out=FOLDER (runs/<data>-comparison). The same command again goes on where it stopped.\n\n"
    "  ganworks compare image vae vae-gan data=photos budget=2m\n",
    "recipes": "ganworks recipes [NAME [format=json]]\n\nWhat can be trained; with a NAME: its paper, claim and "
    "settings.\nformat=json prints the JSON Schema of its settings.\n",
    "features": "ganworks features [get NAME | add FILE]\n\nLists the published networks that are known: what for, "
    "size, licence, what they were trained on, where they\ncome from, and which are here. None comes with ganworks.\n"
    "get NAME fetches one, checks it by the hash in its name, and keeps it in the cache.\n"
    "add FILE keeps one that you have: safetensors, PyTorch (.pth, .pt) or Keras (.h5).\n",
    "completion": (
        "ganworks completion bash|zsh|fish\n\nPrints a script that completes verbs, recipes, settings and paths. "
        'In ~/.bashrc:\n\n  eval "$(ganworks completion bash)"\n\n'
        "zsh: the same in ~/.zshrc, after compinit.   fish: ganworks completion fish | source\n"
    ),
}


class _Help(Mapping[str, str]):
    """Verb -> its page, completed from the kinds when it is read."""

    def __getitem__(self, verb: str) -> str:
        return _PAGES[verb].format_map(_Filled(verb))

    def __iter__(self) -> Iterator[str]:
        return iter(_PAGES)

    def __len__(self) -> int:
        return len(_PAGES)


class _Filled(dict[str, str]):
    """The parts of a page that come from the kinds; each is made only when the page has a place for it."""

    def __init__(self, verb: str):
        super().__init__()
        self.verb = verb

    def __missing__(self, name: str) -> str:
        return kind_help.examples(self.verb) if name == "examples" else kind_help.LISTS[name]()


HELP = _Help()


def page(topic: str) -> str:
    """The page of a verb or of a kind of data, or, of "", the first page. Raises UsageError for another word."""
    if not topic:
        return _TOP.format_map(_Filled(""))
    if topic in HELP:
        return HELP[topic]
    kinds = registry.kinds()
    if topic in kinds:
        return kind_help.kind_page(kinds[topic])
    known = [*HELP, *kinds]
    raise UsageError(f'There is no verb and no kind of data "{topic}". {nearest(topic, known)}')
