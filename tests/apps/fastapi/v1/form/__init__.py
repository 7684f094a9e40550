from handlers import form as main
