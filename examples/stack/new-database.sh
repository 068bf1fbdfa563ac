# new-database.sh FOLDER: a database cluster with the database "shop", whose owner is the role of that name.
set -eu
if [ -e "$1/complete" ]; then exit 0; fi
rm -rf "$1" # what a former try has left
initdb -D "$1" --username=shop --auth=trust --no-sync --locale=C --encoding=UTF8 > /dev/null
printf 'CREATE DATABASE shop;\n' | postgres --single -D "$1" postgres > /dev/null
touch "$1/complete"
