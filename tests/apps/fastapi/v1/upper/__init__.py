from handlers import upper as main
