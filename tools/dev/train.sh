# ./dev train: the flower model, or your own pictures. Its Python environment is no part of serving.

dev_train() {
  need_packages "python3 python3-venv"
  bash train/setup.sh || die "making .venv-train failed"
  .venv-train/bin/python train/train.py "$@"
}
