"""The texts of --help. Plain strings: help must not wait for torch."""

from __future__ import annotations

TOP = """\
ganworks: train a GAN on your data, know how good it is, use it anywhere.

  ganworks train [RECIPE] PATH [key=value ...]         train; the same command again resumes
  ganworks sample RUN 64 out=FOLDER or FILE            make samples; needs no data
  ganworks apply RUN INPUT out=OUT                     put pictures or sound through what was trained to change them
  ganworks predict RUN PICTURE|FOLDER [out=.csv]       name their classes with a trained classifier
  ganworks eval RUN                                    judge it against real data that it never saw
  ganworks data PATH                                   look at a data set before you train
  ganworks info RUN        ganworks report RUN         where a run stands; its page, report.html
  ganworks compare A B     ganworks recipes [NAME]     runs side by side; what can be trained

PATH holds pictures, sounds, clips, lines of text, a table or a time series: which of them is recognised, and told.
A first try, with nothing to download (about a minute and a half):

  ganworks train data=digits budget=60s

Every verb explains itself: ganworks train --help. Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.
"""

_TRAIN = """\
ganworks train [RECIPE] PATH [key=value ...]          (or data=PATH)

RECIPE   left out: what PATH holds is recognised, and the first line says why. What you name always counts.
         pictures: image (looks at data and budget, chooses the rest), r3gan, dcgan, mlp, wgan, wgan-gp, lsgan
         pictures to pictures: pix2pix, pix2pixhd, spade (of pairs); cyclegan, dualgan, cut, fastcut, sincut (of
           two sets); stargan (of classes); superres, restore, inpaint (of photos)
         classes: classify (few labels suffice), acgan
         sound: audio, wavegan, specgan; vocoder (mel frames to sound)      text: text, seqgan, relgan
         video: video, video3d      tables: table, ctgan      time series: series, timegan      points: points
         `ganworks recipes NAME` says what each is for.
PATH     images: a folder (flat, a sub-folder per class, or with labels.csv), a .zip of one, .npy or .npz, IDX files,
           digits (built in), hub:NAME (extra `hub`). Pairs: side by side in one image, or folders A/ and B/ with
           equal names. Two sets: trainA/ and trainB/.
         sounds: a folder or .zip of WAV, FLAC or OGG.      video: of films, GIFs or strips of frames side by side
         text: a file with one text in each line.           tables, series: .csv, .tsv, .parquet; .gz of them, too
out      the run folder; default runs/<data>-<recipe>-<n>. The same command again goes on where it stopped.

Often used
  budget=10m        how long: 90s, 10m, 2h; or examples: 200k, 1M (m is minutes, M is million)
  size=64           image size, or size=64,96 for height,width; default: what the data has, at most 64
  labels=off        ignore the labels; default: conditional when the data has labels
  batch=64  lr=1e-3  seed=0  device=auto|cpu|cuda|mps
  loss=NAME         minimax, non-saturating, least-squares, hinge, wasserstein, relativistic
  until="fd<5"      stop when a score is reached
  scale=2           superres: how many times larger;   degrade=noise=25   restore: what to undo
  direction=BtoA    pairs and two sets: from the right side, or from B, to the left, or to A
  init=RUN          begin from another run's weights (warm start), or from a generator.safetensors

Everything else by its full name, as in the run's config.yaml
  domain.   how data is read; images: flip crop rotate fit background channels on_corrupt held_out; sound: rate ...
  networks. the recipe's networks, e.g. networks.width=64
  game.     loss r1 r2 gp clip n_critic augment train penalty_backend ...
  g. d.     name lr lr_end betas beta2_start eps burn_in warmup clip_each noise
  train.    batch budget until seed device precision accumulate ema ema_ramp score show save judge init threads
  evaluate=off   no full evaluation at the end;   tensorboard=on   mirror everything to TensorBoard (extra `log`)

Examples
  ganworks train ./cats size=64 budget=30m domain.flip=on
  ganworks train dcgan mnist/ labels=off budget=200k loss=hinge d.lr=4e-4
  ganworks train r3gan photos.zip game.augment=color,translation,cutout
  ganworks train pix2pix pairs.zip direction=BtoA size=64 budget=20m
  ganworks train digits-spoken.zip budget=20m           sounds, a class from each folder or file name
  ganworks train captions.txt budget=20m                one text in each line, in any language
  ganworks train customers.csv budget=10m               a table; a column of steady dates makes it a time series
"""

_SAMPLE = """\
ganworks sample RUN [COUNT] [seed=0] [out=PATH] [key=value ...]

RUN      a run folder, or just a generator.safetensors: the data is not needed.
COUNT    how many samples (16). Large counts restart where they stopped when given again.
out      pictures, sounds, clips: a folder of files (the default: samples/) or a .zip; of pictures also a .png grid or
         a .gif or .webp animation. Texts and tables: one file (samples.txt, samples.csv, ...). Anything: .npz.
format   the kind of file when out does not say: format=npz
seed     sample 17 of a seed is the same bytes alone or among 50,000.
labels   a class by name or number, or several: labels=3  labels=cat,dog
truncation=0.7         closer to the average: more typical, less varied
interpolate=1,2,3      a walk between seeds: out=walk.png is a strip, out=walk.gif an animation; steps=8
device=auto|cpu|cuda|mps   mark=off   no "generated" marks in the files

A model may have options of its own, such as temperature=0.8 for texts or where="age > 40" for tables:
`ganworks info RUN` lists them.

Examples
  ganworks sample runs/photos-image-1 64 out=grid.png
  ganworks sample runs/spoken-audio-1 10 labels=seven
  ganworks sample runs/captions-text-1 1000 temperature=0.8 out=captions.txt
  ganworks sample runs/customers-table-1 5000 out=customers.csv
"""

_APPLY = """\
ganworks apply RUN INPUT [out=PATH] [seed=0] [key=value ...]

Puts pictures through a translator or restorer that was trained with pix2pix, cyclegan, superres, inpaint, ..., and
sounds or mel frames through a vocoder. The training data is not needed.

RUN      a run folder, or just its generator.safetensors.
INPUT    a picture of any size; a folder or zip of them, at any depth; a GIF, WebP or PNG animation; a video
         (.mp4 .mov .webm .mkv .avi, with pip install 'ganworks[video]'). For a vocoder WAV, FLAC or OGG at any rate,
         or a .npy of log-mel frames (pip install 'ganworks[audio]').
out      a file for one input, a folder for many; default: the folder applied/. Names are kept; inputs are never
         overwritten. Large folders restart where they stopped when the same command is given again.
seed     the noise of models that draw some. Same input, same seed: same bytes, alone or in a folder.
format=png       write all stills of a folder in this form (lossless, where the inputs are JPEG)
mask=FILE|FOLDER what to fill in, white, as large as its picture; in a folder by NAME or NAME_mask.png
reverse=on       the way back, where two ways were trained (cyclegan, dualgan)
sheet=FILE.png   before and after, side by side
device=auto|cpu|cuda|mps   mark=off   no note "edited by a generative model" in the files

Options of the model itself
  label=NAME     the class to make (stargan)
  tile=256       work in parts of this side: less memory (superres, restore, inpaint, stargan)
  chunk=2000     frames at once, without seams (vocoder)
  native=on      at the picture's own scale instead of the training's (pix2pix, cyclegan, cut)

Kept: EXIF (its orientation applied once), transparency, 16 bits in PNG and TIFF, colour profiles, frame times, sound.

Examples
  ganworks apply runs/superres-1 old.jpg out=large.png
  ganworks apply runs/photos-inpaint-1 scans/ mask=scratches/ out=clean/ format=png
  ganworks apply runs/horse-cyclegan-1 film.mp4 out=zebra.mp4
  ganworks apply runs/speech-vocoder-1 talk.flac out=again.wav
"""

_PREDICT = """\
ganworks predict RUN INPUT [out=FILE.csv|FILE.json] [top=3]

Names the class of pictures, with probabilities. RUN was trained with classify; its data is not needed.

RUN      a run folder, or just its classifier.safetensors.
INPUT    a picture, a folder or zip of them, .npy, .npz or IDX files. Where they come with labels that the
         classifier knows (a sub-folder for each class, labels.csv, y), the accuracy is printed, too.
out      .csv (file, class, probability, one column for each class) or .json.
top=3    how many classes to print for each picture.   device=auto|cpu|cuda|mps
"""

_EVAL = """\
ganworks eval RUN [data=PATH] [count=10000] [seed=0]

Judges the generator against held-out real data, which it never saw: Frechet and kernel distance, precision, recall,
density, coverage, agreement with the asked label, and whether it copies its training data. Every number stands beside
the value that real data gets. Writes eval.json, pictures under eval/, and the page report.html.
data: needed only when the data has moved since the training.
"""

_DATA = """\
ganworks data PATH [recipe=NAME] [domain settings as for train] [out=PATH]

Looks before you train. Says what PATH holds and which recipe fits it; how many examples, of which classes, duplicates,
what cannot be read and why, and what the recipe's reader noticed. Of pictures also sizes, modes, near duplicates and a
contact sheet; of others some examples as the networks will get them, to listen to, watch or read. Nothing is changed.
recipe=NAME reads it for another recipe than the one that was recognised.
"""

HELP = {
    "train": _TRAIN,
    "sample": _SAMPLE,
    "apply": _APPLY,
    "predict": _PREDICT,
    "eval": _EVAL,
    "data": _DATA,
    "info": "ganworks info RUN\n\nWhere a run stands: budget, losses, scores beside real data, files.\n",
    "report": "ganworks report RUN\n\nWrites RUN/report.html anew: one page, no network needed, for any reader.\n",
    "compare": "ganworks compare RUN RUN [...]\n\nScores, cost and settings of several runs side by side.\n",
    "recipes": "ganworks recipes [NAME [format=json]]\n\nWhat can be trained; with a NAME: its paper, claim and "
    "settings.\nformat=json prints the JSON Schema of its settings.\n",
}
