"""Where a model's data sets lie: in the project, or in what fetch brought of them."""

from pathlib import Path

from pipeline.layout import Layout
from pipeline.spec import Data, Model


def located(model: Model, layout: Layout) -> Model:
    """The entry with absolute paths of its data, of the files themselves where they are links."""
    paths = {field: _path(model, field, data, layout) for field, data in model.data.items()}
    found = {
        field: data.model_copy(update={"place": str(paths[field].resolve())})
        for field, data in model.data.items()
    }
    return model.model_copy(update=found)


def _path(model: Model, field: str, data: Data, layout: Layout) -> Path:
    return layout.data(model.name) / field / data.file if data.kind else Path(data.place)
