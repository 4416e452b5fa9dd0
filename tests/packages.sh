#!/usr/bin/env bash
# Installs what the tests need beside what runs: a browser, and letters for what it shows. Nothing that is there.
set -euo pipefail

missing=()
command -v chromium >/dev/null || [ -n "${KEHU_TEST_CHROMIUM:-}" ] || missing+=(chromium)
compgen -G '/usr/share/fonts/*/*/*CJK*' >/dev/null || missing+=(fonts-noto-cjk)
[ ${#missing[@]} -gt 0 ] || exit 0
bash "$(dirname "$0")/../libs/localstack/apt.sh" "${missing[@]}"
