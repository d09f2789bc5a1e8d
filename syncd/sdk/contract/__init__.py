"""The cases of the contract suite; import them from `syncd.sdk.testing`."""
