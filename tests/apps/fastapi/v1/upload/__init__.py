from handlers import upload as main
