zbc_test_init()
{
	log_file=$4/$(basename "$1" .sh).log device=$6
	echo -n "    $5.$(basename "$1" .sh): $2..."
}

zbc_test_print_res()
{
	width=$(($(tput cols) - 9))
	echo "TESTRESULT==$2" >>"$log_file"
	echo -e "\r\e[${width}C[$1$2\e[m]$3"
}
