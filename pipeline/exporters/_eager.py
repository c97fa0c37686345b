"""A PyTorch model of transformers as networks, with the inputs and outputs that its IR has.

What generates is one network that remembers, or an encoder and a decoder that does; where it sees
pictures, their embeddings, those of tokens, and a decoder of both. What does not is one network
that forgets.
"""

import inspect
from typing import Any

from pipeline.networks import ir
from pipeline.networks.tensors import Networks, Tensors


def networks(model: Any, *, generates: bool) -> Networks:
    """The networks of a model, by the names of the IR's.

    Args:
        model: in evaluation mode.
        generates: whether its task makes a token after the other.
    """
    if model.can_generate() and hasattr(model, "get_image_features"):
        return {
            ir.VISION_EMBEDDINGS: _VisionEmbeddings(model),
            ir.TEXT_EMBEDDINGS: _TextEmbeddings(model),
            ir.LANGUAGE: _Language(model),
        }
    if not generates:
        return {ir.MODEL: _Eager(model)}
    if not model.config.is_encoder_decoder:
        return {ir.MODEL: _Remembering(model)}
    return {ir.ENCODER: _Eager(model.get_encoder()), ir.DECODER: _Decoder(model)}


def use_threads(count: int) -> None:
    """Let PyTorch run on so many threads."""
    import torch

    torch.set_num_threads(count)


class _Eager:
    """A model that forgets: it takes what its `forward` names."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._takes = inspect.signature(model.forward).parameters.keys()

    def __call__(self, inputs: Tensors) -> Tensors:
        return _arrays(self._run(**self._taken(inputs)))

    def reset(self) -> None:
        """Nothing stays between calls."""

    def _taken(self, inputs: Tensors) -> dict[str, Any]:
        import torch

        return {n: torch.from_numpy(a) for n, a in inputs.items() if n in self._takes}

    def _run(self, **taken: Any) -> Any:
        import torch

        with torch.inference_mode():
            return self._model(**taken)


class _Remembering(_Eager):
    """A decoder that is fed what is new; keys and values of what went before stay in it."""

    _past: Any = None

    def __call__(self, inputs: Tensors) -> Tensors:
        return self._stepped(self._taken(inputs))

    def reset(self) -> None:
        """Forget keys and values."""
        self._past = None

    def _stepped(self, taken: dict[str, Any]) -> Tensors:
        outputs = self._run(**taken, past_key_values=self._past, use_cache=True)
        self._past = outputs.past_key_values
        return {"logits": outputs.logits.numpy()}


class _Decoder(_Remembering):
    """The decoder of a model with an encoder, fed what that made."""

    def __call__(self, inputs: Tensors) -> Tensors:
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        given: dict[str, Any] = {name: torch.from_numpy(array) for name, array in inputs.items()}
        taken = {
            "decoder_input_ids": given["input_ids"],
            "encoder_outputs": BaseModelOutput(last_hidden_state=given["encoder_hidden_states"]),
        }
        if "encoder_attention_mask" in given:
            taken["attention_mask"] = given["encoder_attention_mask"]
        return self._stepped(taken)


class _VisionEmbeddings(_Eager):
    """What the tokens of a picture are replaced by."""

    def __call__(self, inputs: Tensors) -> Tensors:
        import torch

        with torch.inference_mode():
            pictures = torch.from_numpy(inputs["pixel_values"])
            seen = self._model.get_image_features(pictures).pooler_output
            return {"last_hidden_state": torch.stack(tuple(seen)).numpy()}


class _TextEmbeddings(_Eager):
    """The table of a decoder's tokens, with the name that optimum-intel has for these: `input`."""

    def __call__(self, inputs: Tensors) -> Tensors:
        import torch

        with torch.inference_mode():
            tokens = torch.from_numpy(inputs["input"])
            return {"inputs_embeds": self._model.get_input_embeddings()(tokens).numpy()}


class _Language(_Remembering):
    """A decoder that is fed embeddings, and not the tokens that they are of."""

    def __call__(self, inputs: Tensors) -> Tensors:
        given = self._taken(inputs)
        return self._stepped({name: given[name] for name in ("inputs_embeds", "attention_mask")})


def _arrays(outputs: Any) -> Tensors:
    import torch

    return {n: t.numpy() for n, t in outputs.items() if isinstance(t, torch.Tensor)}
