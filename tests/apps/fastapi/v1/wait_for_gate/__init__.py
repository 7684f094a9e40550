from handlers import wait_for_gate as main
