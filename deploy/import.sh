#!/bin/sh
# Sees to it that the BentoML store holds one model, and imports no other.
#
#   deploy/import.sh NAME [ARGUMENTS OF import_model.py]
#
# PYTHON is the interpreter with the packages that importing needs.
set -eu

model=${1:?the name of a model in the BentoML store}
shift
python=${PYTHON:-python}

stored() {
    "$python" -c '
import sys
from clip_ranker.models import store
found = store.load(sys.argv[1])
sys.exit("--text" in sys.argv and found.text is None)
' "$model" "$@"
}

if stored "$@" 2>/dev/null; then
    echo "in the BentoML store: $model"
    exit 0
fi
told=$("$python" -m clip_ranker.models.names "$model") && known=yes || known=
case " $* " in
*" --model "* | *" --pretrained "* | *" --weights "* | *" --starter "*)
    # Which weights is said; the rest by the name.
    case $model in *_int8) set -- --precision int8 "$@" ;; esac
    case ${model%_int8} in openclip_*_views) set -- --views "$@" ;; esac
    known=yes told=
    ;;
esac
if [ -n "$known" ]; then
    # shellcheck disable=SC2086 # several arguments on purpose
    set -- $told "$@"
else
    echo "import: '$model' is not in the BentoML store, and how to import it is not known." >&2
    echo "Say it with IMPORT_ARGS (which is for MODEL, not for MODELS), for example" >&2
    echo "  IMPORT_ARGS='--model ViT-B-16-SigLIP --pretrained webli'" >&2
    echo "or bring it into the store with import_model.py, and use make image." >&2
    exit 1
fi
if ! "$python" import_model.py "$@" --name "$model"; then
    echo "import: no model '$model', so no image. The lines above say why." >&2
    echo "Without a way to the weights: bring them as a file with" >&2
    echo "  make image IMPORT_ARGS='--pretrained FILE'" >&2
    echo "or build with MODEL=efficientnet_lite0, a small model that needs no hub." >&2
    exit 1
fi
stored "$@"
