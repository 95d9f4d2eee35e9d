# Sourced by jobs/quickstart and tests/run, from the project root.
#
# set_up VENV EXTRAS CONSTRAINTS [NEWEST]: make VENV if it is not there and install this project into
# it, editable, with EXTRAS and the versions in CONSTRAINTS. Does nothing when that was done before.
# NEWEST is the newest Python 3 to make it with (default 13). The extra `browser` also gets a Chromium
# from Debian, where this runs as root.

set_up() {
  local browser=
  case ,$2, in
    *,browser,*)
      install_chromium &
      browser=$!
      ;;
  esac
  install_project "$@"
  [ -z "$browser" ] || wait "$browser"
}

# What tests of pages open them in, if there is none and it can be had; without, they skip.
install_chromium() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null; then
      return
    fi
  done
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    printf 'Installing Chromium\n' >&2
    export DEBIAN_FRONTEND=noninteractive
    if apt-get update && apt-get install -y --no-install-recommends chromium; then
      return
    fi >/dev/null 2>&1
  fi
  printf 'There is no Chromium, and none could be installed: what needs one skips.\n' >&2
}

install_project() {
  local venv=$1 extras=$2 constraints=$3 newest=${4:-13}
  local stamp=$venv/.installed-$extras wanted python
  wanted="$(cat pyproject.toml "$constraints" | cksum) $PWD"
  if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    return
  fi
  # The scripts of a virtual environment name its path, so one that was moved is made anew.
  if [ ! -x "$venv/bin/python" ] || ! grep -qsF "$PWD/$venv" "$venv/bin/activate"; then
    python=$(find_python "$newest")
    printf 'Making %s with %s\n' "$venv" "$("$python" -V)" >&2
    "$python" -m venv --clear "$venv"
  elif ! is_version "$venv/bin/python" "$newest"; then
    fail "$venv holds $("$venv/bin/python" -V), not 3.11 to 3.$newest." \
      "Remove it and run this again: rm -r '$PWD/$venv'"
  fi
  printf 'Installing into %s, a minute or two the first time\n' "$venv" >&2
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null
  # Debian's pip would install pyspark in an old way, and say so at length.
  PIP_USE_PEP517=1 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --constraint "$constraints" --editable ".[$extras]"
  printf '%s' "$wanted" >"$stamp"
}

# The first Python on PATH that will do.
find_python() {
  local python without_venv=
  for python in python3 python3.13 python3.12 python3.11; do
    is_version "$python" "$1" || continue
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      command -v "$python"
      return
    fi
    without_venv=${without_venv:-$python}
  done
  if [ -n "$without_venv" ]; then
    fail "$("$without_venv" -V) is here, but cannot make a virtual environment: venv is missing." \
      "On Debian or Ubuntu: apt install python3-venv. Then run this again."
  fi
  fail "No Python 3.11 to 3.$1 on PATH." \
    "On Debian or Ubuntu: apt install python3 python3-venv. Then run this again."
}

is_version() {
  "$1" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $2))" 2>/dev/null
}

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}
