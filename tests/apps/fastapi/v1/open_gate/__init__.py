from handlers import open_gate as main
