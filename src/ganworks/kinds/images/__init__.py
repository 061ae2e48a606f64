"""Pictures of any size, by class or not: a folder, a zip, arrays, IDX files -> new pictures like them.

Reads still images in the common formats; makes PNG, WebP, animations and grids. `shared` holds what several kinds of
pictures use (patch discriminators, palettes, fidelity); translation of pictures and classification have folders of
their own.
"""

from ganworks.core.registry import Kind

KIND = Kind(
    name="images",
    order=10,
    title="pictures",
    recipes={
        "image": ("recipes:image", "domain/images"),
        "r3gan": ("presets:r3gan", "domain/images"),
        "stylegan2": ("presets:stylegan2", "domain/images"),
        "dcgan": ("classic:dcgan", "domain/images"),
        "mlp": ("classic:mlp", "domain/images"),
        "wgan": ("classic:wgan", "domain/images"),
        "wgan-gp": ("classic:wgan_gp", "domain/images"),
        "lsgan": ("classic:lsgan", "domain/images"),
        "vae": ("latents:vae", "domain/images"),
        "vae-gan": ("latents:vae_gan", "domain/images"),
        "aae": ("latents:aae", "domain/images"),
        "bigan": ("latents:bigan", "domain/images"),
        "infogan": ("latents:infogan", "domain/images"),
        "began": ("latents:began", "domain/images"),
        "fastgan": ("fastgan:fastgan", "domain/images"),
        "projected": ("recipes:projected", "domain/images"),
        "sngan": ("residual.recipes:sngan", "domain/images"),
        "sagan": ("residual.recipes:sagan", "domain/images"),
        "biggan": ("residual.recipes:biggan", "domain/images"),
        "biggan-deep": ("residual.recipes:biggan_deep", "domain/images"),
    },
    parts={
        "domain/images": "domain:Images",
        "networks/r3gan": "r3gan:R3GAN",
        "networks/stylegan2": "stylegan2:StyleGAN2",
        "networks/fastgan": "fastgan:FastGAN",
        "networks/resnet": "residual.networks:ResNetGAN",
        "game/orthogonal": "residual.game:OrthogonalGame",
        "networks/residual": "shared.translator:ResidualTranslator",
    },
    default="image",
    noun="pictures",
    recognise="recognise",
    built_in={"digits": "image", "hub:": "image"},
    about={
        "image": "looks at data and budget, chooses the rest",
        "vae": "likelihood in place of a discriminator: the baseline of the GANs",
    },
    reads=(
        "images: a folder (flat, a sub-folder per class, or with labels.csv), a .zip of one, .npy or .npz, IDX files,",
        "  digits (built in), hub:NAME (extra `hub`).",
    ),
    settings="images: flip crop rotate fit background channels on_corrupt held_out",
    examples=(
        "ganworks train ./cats size=64 budget=30m domain.flip=on",
        "ganworks train dcgan mnist/ labels=off budget=200k loss=hinge d.lr=4e-4",
        "ganworks train r3gan photos.zip game.augment=color,translation,cutout",
        "ganworks train stylegan2 photos.zip networks.width=512",
        "ganworks sample runs/photos-image-1 64 out=grid.png",
    ),
)
