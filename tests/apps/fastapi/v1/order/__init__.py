from handlers import order as main
