from handlers import endless as main
