# Sourced by jobs/quickstart and tests/run, from the project root.
#
# set_up VENV EXTRAS CONSTRAINTS [NEWEST]: make VENV if it is not there and install this project into
# it, editable, with EXTRAS and the versions in CONSTRAINTS, or in two such files, A,B, of which what
# B says holds. Does nothing when that was done before. NEWEST is the newest Python 3 to make it with
# (default 13). The extra `browser` also gets a Chromium from Debian, where this runs as root.

# Many images set this: every process would compile every module anew.
unset PYTHONDONTWRITEBYTECODE

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
  local stamp=$venv/.installed-$extras wanted python project
  wanted="$(cat pyproject.toml ${constraints//,/ } | cksum) $PWD"
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
  # Two distributions hold the same files: PySpark's client makes way for the whole of it, and is not
  # installed over that.
  if has "$venv" pyspark; then
    extras=$(printf '%s' ",$extras," | sed 's/,sail,/,pysail,/; s/^,//; s/,$//')
  elif has "$venv" pyspark_client && [ "$extras" != sail ]; then
    pip_of "$venv" uninstall --yes pyspark-client
  fi
  project=(--editable ".[$extras]")
  if [ "$extras" = sail ]; then
    install_listed "$venv" 1 && project=()
  elif [ "$constraints" = conf/constraints.txt ] && has_extra dev "$extras" && ! has "$venv" pyspark; then
    install_listed "$venv" "2$(has_extra sentence-transformers "$extras" && printf 3)" &&
      project=("lakewinnow[$extras]") # it is there; what of its extras is not listed is looked for
  fi
  if [ ${#project[@]} -gt 0 ]; then
    merged "$constraints" >"$venv/constraints.txt"
    pip_of "$venv" install --no-compile --constraint "$venv/constraints.txt" "${project[@]}"
  fi
  printf '%s' "$wanted" >"$stamp"
}

# Install the project and some parts of constraints.txt, those as two halves at once: nothing need be
# looked for, and modules are compiled when they are first imported.
# install_listed VENV PARTS: PARTS are the paragraphs, 1 for quickstart, 2 or 23 for tests, which need
# the first, too, but for PySpark's client
install_listed() {
  local venv=$1 parts=$2 half halves='' failed=''
  awk -v parts="$parts" 'BEGIN { RS = "" } NR == 1 || index(parts, NR)' conf/constraints.txt |
    if [ "$parts" = 1 ]; then cat; else grep -v '^pyspark-client=='; fi >"$venv/listed.txt"
  # The project and what has no wheel, which take a build each; what is left, every other one.
  for half in 0 1; do
    awk -v half=$half '/^[a-zA-Z]/ && n++ % 2 == half' "$venv/listed.txt" >"$venv/half$half.txt"
    pip_of "$venv" install --no-deps --no-compile -r "$venv/half$half.txt" &
    halves+=" $!"
  done
  pip_of "$venv" install --no-deps --no-compile --editable . || failed=yes
  for half in $halves; do
    wait "$half" || failed=yes
  done
  [ -z "$failed" ]
}

has_extra() {
  case ,$2, in *,"$1",*) ;; *) return 1 ;; esac
}

# Print A, or of A,B what A says of packages that B says nothing of, and B.
merged() {
  local first=${1%%,*} second=${1#*,}
  [ "$first" != "$1" ] || second=/dev/null
  awk -F '[=;]' 'NR == FNR { if (!/^#/) { said[$1]; } print; next } !($1 in said)' "$second" "$first"
}

has() {
  ls "$1"/lib/python3.*/site-packages 2>/dev/null | grep -q "^$2-[0-9].*dist-info$"
}

# Debian's pip would install a source distribution in an old way, and say so at length.
pip_of() {
  local venv=$1
  shift
  PIP_USE_PEP517=1 "$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input "$@"
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
