"""The endpoints that `serving.py` measures ours against. Each runs in a process of its own:

    python benchmarks/serving_rivals.py hand FOLDER PORT     # FastAPI and NumPy by hand, pydantic, no log
    python benchmarks/serving_rivals.py noop FOLDER PORT     # BentoML around an app that answers at once
    MLFLOW_PYTHON benchmarks/serving_rivals.py save FOLDER   # what `mlflow models serve` is given then

FOLDER holds the booster of our model (`xgboost.ubj`) and how its columns are coded (`coding.json`).
"""

import json
import os
import sys
from pathlib import Path
from typing import Literal

# As whoever has once measured it sets it: an OpenMP thread per core costs several times the CPU of one row.
os.environ.setdefault("OMP_NUM_THREADS", "1")

YesNo = Literal["Yes", "No"]
Line = Literal["Yes", "No", "No phone service"]
Extra = Literal["Yes", "No", "No internet service"]
Payment = Literal["Bank transfer (automatic)", "Credit card (automatic)", "Electronic check", "Mailed check"]


def hand(folder: Path, port: int) -> None:
    """What a good engineer writes in an afternoon: typed input and answer, one NumPy row, one thread."""
    import numpy as np
    import uvicorn
    import xgboost
    from fastapi import FastAPI
    from pydantic import BaseModel, Field

    class Customer(BaseModel):
        gender: Literal["Female", "Male"]
        SeniorCitizen: int = Field(ge=0, le=1)
        Partner: YesNo
        Dependents: YesNo
        tenure: int = Field(ge=0)
        PhoneService: YesNo
        MultipleLines: Line
        InternetService: Literal["DSL", "Fiber optic", "No"]
        OnlineSecurity: Extra
        OnlineBackup: Extra
        DeviceProtection: Extra
        TechSupport: Extra
        StreamingTV: Extra
        StreamingMovies: Extra
        Contract: Literal["Month-to-month", "One year", "Two year"]
        PaperlessBilling: YesNo
        PaymentMethod: Payment
        MonthlyCharges: float = Field(ge=0)
        TotalCharges: float | None = Field(ge=0)

    class Answer(BaseModel):
        prediction: Literal["Yes", "No"]
        probabilities: dict[str, float]

    columns: list[tuple[str, dict[str, float] | None]] = [
        (name, codes) for name, codes in json.loads((folder / "coding.json").read_text())
    ]
    booster = xgboost.Booster(model_file=folder / "xgboost.ubj")
    booster.set_param({"nthread": 1})
    app = FastAPI()

    @app.post("/predict")
    async def predict(customer: Customer) -> Answer:
        values = customer.__dict__
        row = np.array(
            [[values[name] if codes is None else codes[str(values[name])] for name, codes in columns]],
            dtype=np.float32,  # None becomes NaN
        )
        share = float(booster.inplace_predict(row)[0])
        return Answer(prediction="Yes" if share > 0.5 else "No", probabilities={"No": 1 - share, "Yes": share})

    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")


def noop(folder: Path, port: int) -> None:
    """BentoML's floor, as its documentation says to serve it."""
    environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(folder / "bentoml")}
    command = [sys.executable, "-m", "bentoml", "serve", "noop_service:service", "--quiet"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--working-dir", str(Path(__file__).parent.resolve())]
    os.execve(sys.executable, command, environment)


def mlflow_save(folder: Path) -> None:
    """Save the booster as an MLflow model with a signature. Its client has to code the columns itself."""
    import mlflow
    import numpy as np
    import pandas as pd
    import xgboost

    columns = [name for name, _ in json.loads((folder / "coding.json").read_text())]
    example = pd.DataFrame([np.zeros(len(columns))], columns=columns)
    signature = mlflow.models.infer_signature(example, np.zeros(1))
    booster = xgboost.Booster(model_file=folder / "xgboost.ubj")
    booster.set_param({"nthread": 1})
    booster.feature_names = None
    booster.feature_types = None
    mlflow.xgboost.save_model(booster, str(folder / "mlflow"), signature=signature)


if __name__ == "__main__":
    what, home = sys.argv[1], Path(sys.argv[2])
    if what == "save":
        mlflow_save(home)
    else:
        {"hand": hand, "noop": noop}[what](home, int(sys.argv[3]))
