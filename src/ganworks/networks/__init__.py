"""Networks that several kinds of data use."""

PARTS = {
    "networks/compact": "compact:Compact",
    "networks/dcgan": "dcgan:DCGAN",
    "networks/mlp": "mlp:MLP",
    "networks/autoencoder": "autoencoder:Autoencoder",
    "networks/infogan": "infogan:InfoNetworks",
    "networks/began": "reconstructing_critic:BEGANNetworks",
}
