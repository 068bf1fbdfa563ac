# folders.sh [POSTGRES REDIS MEMCACHED WEB]: the folders of the daemons; by root, each owned by its user.
set -eu
make() { mkdir -p "run/$1"; if [ -n "${2-}" ]; then chown "$2:" "run/$1"; fi; }
printf 'listen 127.0.0.1:%s;\n' "${PORT:-8089}" > run/listen.conf
make postgres "${1-}"
make redis "${2-}"
make memcached "${3-}"
make nginx "${4-}"
