from handlers import stubborn as main
