from handlers import cookies as main
