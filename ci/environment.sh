# Sourced by the commands beside it, from the repository's root.
# use_venv FOLDER EXTRAS: makes or reuses a virtual environment, installs this checkout in it with the
# extras (editable), and puts it first on PATH. Does nothing twice for the same pyproject.toml.

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "litegpu needs Python 3.11 or newer; '${PYTHON:-python3}' is $("${PYTHON:-python3}" --version 2>&1)." \
        "Set PYTHON to a newer one." >&2
    return 1
}

make_venv() {
    local python
    python=$(find_python) || return 1
    "$python" -m venv "$1" || {
        echo "$python cannot make a virtual environment; Debian keeps that in the package python3-venv." >&2
        return 1
    }
}

quiet_pip() {
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore python -m pip -qq "$@"
}

use_venv() {
    local folder=$1 extras=$2 stamp
    stamp=$folder/installed-$extras.toml
    [ -x "$folder/bin/python" ] || make_venv "$folder" || return 1
    PATH=$PWD/$folder/bin:$PATH
    if ! cmp -s pyproject.toml "$stamp"; then
        echo "Installing litegpu[$extras] into $folder …"
        quiet_pip install --editable ".[$extras]" || return 1
        cp pyproject.toml "$stamp"
    fi
}
