"""A Bento's image on Kubernetes: Deployment, Service and HorizontalPodAutoscaler in one file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from automl_serving.container import LOG, PORT, USER
from automl_serving.requirements import Pin

MOST_LETTERS = 63  # of a Service's name (RFC 1035)
KEYS = "/etc/automl"  # where the secret of the keys is mounted
HEAVY = frozenset({"torch", "catboost"})  # libraries that take more than half a gigabyte to load and answer

MANIFESTS = """\
# {name}, version {number}; written by `automl package`. Push the image {image} where your cluster finds it, set it
# below, then:
#   automl keys export > keys.json
#   kubectl create secret generic {name}-keys --from-file=keys.json
#   kubectl apply -f kubernetes.yaml
# Pods wait until the secret is there. To open the endpoint to all who reach it, take out what names the keys.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: &labels
    app.kubernetes.io/name: {name}
    app.kubernetes.io/version: "{number}"
    app.kubernetes.io/managed-by: automl
spec:
  # No replicas here: the autoscaler below sets them.
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  template:
    metadata:
      labels: *labels
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/path: /metrics
        prometheus.io/port: "{port}"
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 30
      securityContext:
        runAsNonRoot: true
        runAsUser: {user}
        runAsGroup: {user}
        fsGroup: {user}
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: endpoint
          image: {image}
          ports:
            - name: http
              containerPort: {port}
          env:
            - name: AUTOML_LOG
              value: {log}
            - name: AUTOML_KEYS
              value: {keys}/keys.json
          resources:
            requests:
              cpu: 250m
              memory: {least}
            limits:
              memory: {most}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: ["ALL"]
          startupProbe:
            httpGet: {{path: /readyz, port: http}}
            periodSeconds: 2
            failureThreshold: 60
          readinessProbe:
            httpGet: {{path: /readyz, port: http}}
            periodSeconds: 5
            timeoutSeconds: 2
          livenessProbe:
            httpGet: {{path: /livez, port: http}}
            periodSeconds: 10
            timeoutSeconds: 3
          volumeMounts:
            - name: scratch
              mountPath: /tmp
            - name: log
              mountPath: {folder}
            - name: keys
              mountPath: {keys}
              readOnly: true
      volumes:
        # Digests, no keys. A changed secret counts without a restart, once Kubernetes has brought it to the pods.
        - name: keys
          secret:
            secretName: {name}-keys
        - name: scratch
          emptyDir: {{}}
        # The prediction log, which goes with its pod: put a volume that stays here, or set AUTOML_LOG to "off".
        - name: log
          emptyDir: {{}}
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {name}
  minReplicas: 2
  maxReplicas: 10
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 70
"""


def write_manifests(bento: Path, name: str, number: int, pins: Sequence[Pin]) -> None:
    """Write kubernetes.yaml into a Bento; `name` is that of its image."""
    (bento / "kubernetes.yaml").write_text(manifests(name, number, pins), encoding="utf-8")


def manifests(name: str, number: int, pins: Sequence[Pin]) -> str:
    """The manifests of a Bento whose image is NAME:NUMBER, and which needs these requirements."""
    heavy = any(pin.name in HEAVY for pin in pins)
    return MANIFESTS.format(
        name=label(name),
        number=number,
        image=f"{name}:{number}",
        user=USER,
        port=PORT,
        log=LOG,
        folder=str(Path(LOG).parent),
        keys=KEYS,
        least="1Gi" if heavy else "512Mi",
        most="2Gi" if heavy else "1Gi",
    )


def label(name: str) -> str:
    """A name as Kubernetes allows it for a Service: small letters, digits and hyphens, a letter first."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return (plain if plain[:1].isalpha() else f"model-{plain}")[:MOST_LETTERS].strip("-")
