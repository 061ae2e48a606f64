"""Games that several kinds of data use: which player moves when, and what each player minimises."""

PARTS = {
    "game/adversarial": "adversarial:Adversarial",
    "game/regularised": "regularised:Regularised",
    "game/self-supervised": "self_supervised:SelfSupervised",
    "game/styles": "styles:StyleAdversarial",
    "game/vae": "latents.vae:VAE",
    "game/vae-gan": "latents.vae_gan:VAEGAN",
    "game/aae": "latents.aae:AAE",
    "game/bigan": "latents.bigan:BiGAN",
    "game/infogan": "latents.infogan:InfoGAN",
    "game/projected": "projected:Projected",
    "game/began": "latents.began:BEGAN",
}
